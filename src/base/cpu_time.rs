//! Processor time of this process.

use std::time::Duration;

/// Processor time that this process has taken so far, user and system, of all its threads; `None` where the system does not say.
#[cfg(unix)]
pub fn cpu_time() -> Option<Duration> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(
        now.tv_sec.try_into().ok()?,
        now.tv_nsec.try_into().ok()?,
    ))
}

/// Processor time that this process has taken so far, user and system, of all its threads, in steps of about 16 ms; `None` where
/// the system does not say.
#[cfg(windows)]
pub fn cpu_time() -> Option<Duration> {
    use windows_sys::Win32::Foundation::FILETIME;
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes};
    const ZERO: FILETIME = FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    };
    let (mut begun, mut ended, mut system, mut user) = (ZERO, ZERO, ZERO, ZERO);
    // SAFETY: the handle of the calling process is always valid, and the four places outlive the call.
    let known = unsafe {
        GetProcessTimes(
            GetCurrentProcess(),
            &raw mut begun,
            &raw mut ended,
            &raw mut system,
            &raw mut user,
        )
    };
    // A FILETIME counts 100 ns.
    let ticks =
        |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    (known != 0).then(|| Duration::from_nanos(100 * (ticks(system) + ticks(user))))
}

/// `None`: not known on this system.
#[cfg(not(any(unix, windows)))]
pub fn cpu_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time() {
        let Some(begun) = cpu_time() else { return };
        let mut sum = 0u64;
        while cpu_time() == Some(begun) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(cpu_time() > Some(begun));
    }
}
