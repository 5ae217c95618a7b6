//! What to do when the hub's account in a member lacks a right.

/// The message with what to do, if it is the API server's about a missing right.
pub(crate) fn with_advice(message: &str) -> String {
    let lacks = message.contains("User \"") && message.contains("\" cannot ") && message.contains(" resource \"");
    if !lacks {
        return message.to_owned();
    }
    format!(
        "{message}; give the hub's account there this right. A cluster that was joined with --cluster-role=profile gets the rights for all enabled types \
         when it is joined again with --cluster-role=profile --error-on-existing=false"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_right_gets_the_advice() {
        let lacks = "statefulsets.apps is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"statefulsets\" in API group \"apps\" at the cluster scope";
        assert!(with_advice(lacks).contains("--cluster-role=profile --error-on-existing=false"));
        for other in ["exceeded quota", "admission webhook denied the request"] {
            assert_eq!(with_advice(other), other);
        }
    }
}
