//! What a fault in the program tells: the place, and only such words as cannot hold a part of an object.

use std::{any::Any, panic};

/// Replaces the standard report, which repeats whatever text a panic was made with.
pub fn report_without_content() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("?").to_owned();
        crate::printer::talk(text(info.payload(), &place, &thread));
    }));
}

fn text(payload: &(dyn Any + Send), place: &str, thread: &str) -> String {
    let said = payload.downcast_ref::<&'static str>().copied().unwrap_or("(its message may hold a part of an object and is not shown)");
    format!("fault in the program at {place}, thread {thread}: {said}; please report this line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_put_together_is_not_shown() {
        let secret = "hunter2";
        let payload = panic::catch_unwind(|| panic!("cannot read {secret}")).unwrap_err();
        let said = text(payload.as_ref(), "a.rs:1", "main");
        assert!(said.contains("a.rs:1") && !said.contains(secret), "{said}");
        let payload = panic::catch_unwind(|| panic!("a fixed text")).unwrap_err();
        assert!(text(payload.as_ref(), "a.rs:1", "main").contains("a fixed text"));
    }
}
