use super::*;

fn told(name: &str, reason: &str, seconds: i64) -> Told {
    let about = reference(&json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "ns", "name": name, "uid": "u1", "resourceVersion": seconds.to_string()}}));
    let at = Timestamp::from_second(1_800_000_000 + seconds).unwrap();
    Told { about, host: String::new(), kind: EventKind::Normal, reason: reason.into(), message: "m".into(), at }
}

#[test]
fn the_same_event_is_counted_also_when_the_object_has_changed() {
    let mut aggregate = Aggregate::default();
    let Write::First { name } = aggregate.take(&told("web", "Pulled", 0)) else { panic!("must be new") };
    assert!(name.starts_with("web."));
    assert_eq!(aggregate.take(&told("web", "Pulled", 1)), Write::Again { name: name.clone(), count: 2 });
    assert_eq!(aggregate.take(&told("web", "Pulled", 2)), Write::Again { name: name.clone(), count: 3 });
    let Write::First { name: other } = aggregate.take(&told("web", "Started", 2)) else { panic!("must be new") };
    assert_ne!(name, other);
}

#[test]
fn a_flood_about_one_object_is_cut_off_and_trickles_on() {
    let mut aggregate = Aggregate::default();
    let written = (0..100).filter(|index| aggregate.take(&told("web", &format!("R{index}"), 0)) != Write::Drop).count();
    assert_eq!(written, 25);
    assert_eq!(aggregate.take(&told("web", "Later", 100)), Write::Drop);
    assert_ne!(aggregate.take(&told("web", "Later", 301)), Write::Drop);
    assert_ne!(aggregate.take(&told("other", "R", 301)), Write::Drop);
}

#[test]
fn an_event_has_the_fields_that_kubectl_shows() {
    let mut event = told("web", "Scheduled", 5);
    event.host = "node-1".into();
    insta::assert_snapshot!(new_event(&event, "web.1", "default-scheduler"), @r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"web.1","namespace":"ns"},"involvedObject":{"kind":"Pod","namespace":"ns","name":"web","uid":"u1","apiVersion":"v1","resourceVersion":"5"},"reason":"Scheduled","message":"m","source":{"component":"default-scheduler","host":"node-1"},"firstTimestamp":"2027-01-15T08:00:05Z","lastTimestamp":"2027-01-15T08:00:05Z","count":1,"type":"Normal","reportingComponent":"default-scheduler","reportingInstance":"node-1"}"#);
}
