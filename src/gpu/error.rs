//! What can go wrong between the program and the device.

/// What to do where there is no adapter.
pub const INSTALL_HINT: &str = "\
On Debian or Ubuntu, the software adapter is one package away:  sudo apt-get install mesa-vulkan-drivers libvulkan1
On Fedora:  sudo dnf install mesa-vulkan-drivers.  With a real GPU, install its vendor's Vulkan driver.
Then `secateur adapters` lists what was found.";

/// A failure of the adapter, the driver or a request to them.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GpuError {
    /// No adapter was found at all.
    #[error("no usable GPU adapter was found (looked for Vulkan, Metal and DX12).\n{INSTALL_HINT}")]
    NoAdapter,
    /// The adapter the user asked for does not exist.
    #[error(
        "no adapter matches {asked:?}. Adapters here:\n{available}\nName one by its number or by a part of its name, with --adapter or SECATEUR_ADAPTER."
    )]
    NoSuchAdapter {
        /// What was asked for.
        asked: String,
        /// The adapters there are, one a line.
        available: String,
    },
    /// The driver refused to make a device.
    #[error(
        "{adapter} refused to make a device: {reason}\nUpdate its driver, or choose another adapter with --adapter (see `secateur adapters`)."
    )]
    NoDevice {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// A buffer is larger than the adapter allows.
    #[error(
        "{what} needs {asked} bytes, but {adapter} allows {limit} bytes per buffer binding. Use a smaller model or batch, or another adapter."
    )]
    TooLarge {
        /// The buffer.
        what: String,
        /// Its size.
        asked: u64,
        /// The adapter's limit.
        limit: u64,
        /// The adapter's name.
        adapter: String,
    },
    /// The device has no room left.
    #[error(
        "{adapter} is out of memory: {what} asked for {asked} bytes. Lower --replicas or the batch size, or close other programs that use this GPU."
    )]
    OutOfMemory {
        /// The buffer.
        what: String,
        /// Its size.
        asked: u64,
        /// The adapter's name.
        adapter: String,
    },
    /// The driver would end a kernel's loops early, and say nothing.
    #[error(
        "{kernel}{} would go through its loops {passes} times, and this driver ends them after {limit} without a word: {driver}\nUpdate it (Mesa's lavapipe counts right from version 25 on), choose another adapter with --adapter, or use a smaller layer or batch.",
        at(.place)
    )]
    LoopLimit {
        /// The kernel.
        kernel: &'static str,
        /// The layer that it works on, or nothing.
        place: String,
        /// Passes of all its loops, for the shape that was asked for.
        passes: u64,
        /// Passes that the driver makes.
        limit: u32,
        /// Driver name and version.
        driver: String,
    },
    /// The device is gone: driver reset, unplugged, or a watchdog.
    #[error(
        "the GPU was lost while running {during}: {reason}\nFinished stages are saved; run the same command again to go on. If it happens again, choose another adapter with --adapter."
    )]
    Lost {
        /// The program that was running.
        during: String,
        /// The driver's words.
        reason: String,
    },
    /// wgpu or the driver rejected something we did: a bug of ours or of the driver.
    #[error(
        "the GPU reported an error in {during}: {reason}\nThis is a bug in secateur or in the driver; please report it with the output of `secateur adapters`."
    )]
    Rejected {
        /// The kernel or buffer.
        during: String,
        /// The first error's text.
        reason: String,
    },
}

/// ` of PLACE`, where there is a place.
fn at(place: &str) -> String {
    match place {
        "" => String::new(),
        place => format!(" of {place}"),
    }
}
