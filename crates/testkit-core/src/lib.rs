//! Test helpers without a product dependency: fixtures, clocks, proxies.
