//! Which clusters an object goes to: pure functions of policy and members.
