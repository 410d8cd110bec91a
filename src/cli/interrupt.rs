//! Signals end a run between submissions, with what it has come to saved; a second one at once.

use super::output::tell;
use secateur::run::StopToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Where a signal was not named, it was Ctrl-C.
const SIGINT: i32 = 2;

/// What signals do to a run.
pub struct Interrupt {
    token: StopToken,
    signal: Arc<AtomicI32>,
}

impl Interrupt {
    /// Listens from now on: to Ctrl-C, and where there are such signals to SIGTERM, which schedulers send, and SIGHUP, which comes of a
    /// terminal that was closed.
    pub fn listen() -> Self {
        let interrupt = Self {
            token: StopToken::new(),
            signal: Arc::new(AtomicI32::new(SIGINT)),
        };
        interrupt.install();
        interrupt
    }

    /// What stops the run.
    pub fn token(&self) -> StopToken {
        self.token.clone()
    }

    /// The exit code of a run that a signal stopped, as shells have it: 128 and the signal's number.
    pub fn exit_code(&self) -> u8 {
        128 + self.signal.load(Ordering::SeqCst) as u8
    }

    /// What happens when a signal comes.
    fn handler(&self) -> impl Fn(i32) + Send + 'static {
        let (token, first) = (self.token.clone(), self.signal.clone());
        move |signal| {
            if token.is_stopped() {
                std::process::exit(128 + signal);
            }
            first.store(signal, Ordering::SeqCst);
            token.stop();
            tell(
                "stopping after this submission, and saving what there is (a second signal stops at once)",
            );
        }
    }

    /// A handler that cannot be installed leaves the default: the signal kills, and finished stages are safe all the same.
    #[cfg(unix)]
    fn install(&self) {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        use signal_hook::iterator::Signals;
        // Whoever wants a closed terminal to be ignored, as `nohup` does, has said so.
        let closed = (!is_ignored(SIGHUP)).then_some(SIGHUP);
        let heard = [SIGINT, SIGTERM].into_iter().chain(closed);
        let Ok(mut signals) = Signals::new(heard) else {
            return;
        };
        let handle = self.handler();
        std::thread::spawn(move || signals.forever().for_each(handle));
    }

    #[cfg(not(unix))]
    fn install(&self) {
        let handle = self.handler();
        let _ = ctrlc::set_handler(move || handle(SIGINT));
    }
}

/// Whether whoever started the program wants a signal ignored.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: with a null second argument, sigaction only writes what is in place into the third, which is large enough.
    let found = unsafe { libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) } == 0;
    // SAFETY: where it returned 0, it has written all of it.
    found && unsafe { now.assume_init() }.sa_sigaction == libc::SIG_IGN
}
