//! The command line of comity itself.
