//! One member's desired set kept true: watch, difference, apply, retry, fence.
