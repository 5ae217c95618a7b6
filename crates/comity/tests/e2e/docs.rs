//! Every command that the tutorial shows is run, in order, as it stands.

use crate::fleet::Fleet;

const TUTORIAL: &str = include_str!("../../../../docs/tutorial/first-fleet.md");

#[test]
fn the_tutorials_commands_work() {
    let Some(fleet) = Fleet::demo("v1.36", &["--join=none"]) else { return };
    let blocks: Vec<&str> = TUTORIAL.split("```sh run\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() > 5, "the tutorial has lost its commands");
    for block in blocks {
        let ran = fleet.shell(block);
        assert_eq!(ran.code, 0, "{block}\n{}\n{}", ran.stdout, ran.stderr);
    }
}
