//! Members that do not answer, or answer with failures.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_refuses_connections_is_out_long_before_the_next_probe_and_nobody_else_notices() {
    // the health settings that ship
    let fleet = Fleet::with_health(json!({})).await;
    let (message, noticed) = one_member_is_out(&fleet, Fault::Refused, "ClusterNotReachable").await;
    assert!(message.to_lowercase().contains("refused"), "{message}");
    // ten seconds are the period between two looks; how soon exactly is measured in virtual time by the simulation
    assert!(noticed < Duration::from_secs(10), "noticed after {noticed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_never_answers_is_out_by_the_health_settings_and_nobody_else_notices() {
    let fleet = Fleet::start().await;
    let (message, noticed) = one_member_is_out(&fleet, Fault::Silent, "ClusterNotReachable").await;
    assert!(message.contains("no answer"), "{message}");
    // two failures: period and timeout twice, and a little for the status to come
    assert!(noticed <= Duration::from_secs(12), "noticed after {noticed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_connections_froze_for_ever_is_reached_by_new_ones_when_it_returns() {
    let fleet = Fleet::start().await;
    one_member_is_out(&fleet, Fault::HalfOpen, "ClusterNotReachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_takes_ten_seconds_for_an_answer_delays_nobody_else() {
    let fleet = Fleet::start().await;
    one_member_is_out(&fleet, Fault::Slow(Duration::from_secs(10)), "ClusterNotReachable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_rejects_the_credentials_says_why_in_its_own_words() {
    for code in [401, 403] {
        let fleet = Fleet::start().await;
        let (message, _) = one_member_is_out(&fleet, Fault::Answers { code, retry_after: None }, "ClusterCredentialsRejected").await;
        assert!(message.contains(&format!("HTTP {code}: the test says {code}")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_has_too_much_to_do_or_is_broken_is_named_with_its_answer() {
    for (code, retry_after) in [(429, Some(1)), (500, None), (503, None)] {
        let fleet = Fleet::start().await;
        let (message, _) = one_member_is_out(&fleet, Fault::Answers { code, retry_after }, "ClusterNotReady").await;
        assert!(message.contains(&format!("HTTP {code}: the test says {code}")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_with_a_certificate_of_somebody_else_is_not_talked_to() {
    let fleet = Fleet::start().await;
    let (message, _) = one_member_is_out(&fleet, Fault::WrongCertificate, "ClusterCertificateNotTrusted").await;
    assert!(message.to_lowercase().contains("certificate"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_frozen_connection_is_replaced_while_the_member_stays_ready() {
    let fleet = Fleet::with_health(json!({"period": "1s", "timeout": "1s", "failureThreshold": 100})).await;
    fleet.apply("one", "1").await;
    fleet.propagated("one").await;
    fleet.proxies[0].set(Fault::HalfOpen);
    fleet.proxies[0].set(Fault::None);
    fleet.apply("one", "2").await;
    fleet.shows(0, "one", "2").await;
    // its watches are new ones as well: what changes there is noticed
    let theirs = json!({"data": {"k": "theirs"}});
    let kind = comity_lane::PatchKind::Merge;
    fleet.world.members[0].patch(&gvr("", "configmaps"), NAMESPACE, "one", None, kind, &theirs, "kubectl", false).await.unwrap();
    fleet.shows(0, "one", "2").await;
}
