//! What a layer replaces, as the C library has it.

use std::ffi::{c_char, c_void};

unsafe extern "C" {
    pub fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The C library's own function of a name.
macro_rules! real {
    ($name:literal as $type:ty) => {{
        static FOUND: std::sync::atomic::AtomicPtr<std::ffi::c_void> = std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
        let mut found = FOUND.load(std::sync::atomic::Ordering::Acquire);
        if found.is_null() {
            // SAFETY: the name ends with a zero byte; the handle is RTLD_NEXT.
            found = unsafe { crate::real::dlsym(-1_isize as *mut std::ffi::c_void, concat!($name, "\0").as_ptr().cast()) };
            FOUND.store(found, std::sync::atomic::Ordering::Release);
        }
        assert!(!found.is_null(), "no {}", $name);
        // SAFETY: the C library's function of this name has this type.
        unsafe { std::mem::transmute::<*mut std::ffi::c_void, $type>(found) }
    }};
}
