//! The layer that shows a process another time of day: what `SHIFTED_CLOCK` says in seconds is added to the clock.
//!
//! Only the clock that people read is shifted. The one that durations are measured with is not: a process waits as long
//! as ever. Programs that ask the kernel without the C library (Go's) see the time as it is.

#[macro_use]
mod real;

use std::ffi::{c_int, c_long, c_void};
use std::sync::OnceLock;

const CLOCK_REALTIME: c_int = 0;
const CLOCK_REALTIME_COARSE: c_int = 5;

#[repr(C)]
pub struct Time {
    seconds: i64,
    parts: c_long,
}

type GetTime = extern "C" fn(c_int, *mut Time) -> c_int;
type GetTimeOfDay = extern "C" fn(*mut Time, *mut c_void) -> c_int;

fn shift() -> i64 {
    static SHIFT: OnceLock<i64> = OnceLock::new();
    *SHIFT.get_or_init(|| std::env::var("SHIFTED_CLOCK").ok().and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn shifted(answer: c_int, time: *mut Time) -> c_int {
    if answer == 0 && !time.is_null() {
        // SAFETY: the caller's place for the answer, which the C library has just filled.
        unsafe { (*time).seconds += shift() };
    }
    answer
}

#[unsafe(no_mangle)]
pub extern "C" fn clock_gettime(clock: c_int, time: *mut Time) -> c_int {
    let answer = real!("clock_gettime" as GetTime)(clock, time);
    if matches!(clock, CLOCK_REALTIME | CLOCK_REALTIME_COARSE) { shifted(answer, time) } else { answer }
}

#[unsafe(no_mangle)]
pub extern "C" fn gettimeofday(time: *mut Time, zone: *mut c_void) -> c_int {
    shifted(real!("gettimeofday" as GetTimeOfDay)(time, zone), time)
}

#[unsafe(no_mangle)]
pub extern "C" fn time(place: *mut i64) -> i64 {
    let mut now = Time { seconds: 0, parts: 0 };
    clock_gettime(CLOCK_REALTIME, &raw mut now);
    if !place.is_null() {
        // SAFETY: the caller's place for the answer.
        unsafe { *place = now.seconds };
    }
    now.seconds
}
