//! Comity under the names of other tools: kubefedctl.
