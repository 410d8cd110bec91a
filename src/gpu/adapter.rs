//! Finding adapters and choosing one.

use super::GpuError;
use wgpu::DeviceType;

/// What to do where there is no adapter.
pub const INSTALL_HINT: &str = "\
On Debian or Ubuntu, the software adapter is one package away:  sudo apt-get install mesa-vulkan-drivers libvulkan1
On Fedora:  sudo dnf install mesa-vulkan-drivers.  With a real GPU, install its vendor's Vulkan driver.
Then `secateur adapters` lists what was found.";

/// One adapter, as listed by `secateur adapters`.
#[derive(Clone, Debug)]
pub struct AdapterDescription {
    /// Position in the list, for `--adapter INDEX`.
    pub index: usize,
    /// The device's name.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Driver name and version, as the driver gives them.
    pub driver: String,
    /// Largest storage binding in bytes: the limit on parameters x replicas and on activations.
    pub max_binding: u64,
    /// Invocations per subgroup, where subgroup operations are there and every subgroup has the same size.
    pub subgroup: Option<u32>,
}

impl AdapterDescription {
    /// One line for people.
    pub fn line(&self) -> String {
        format!(
            "{}: {} ({}, {}, driver {})",
            self.index, self.name, self.backend, self.kind, self.driver
        )
    }
}

fn kind_of(kind: DeviceType) -> &'static str {
    match kind {
        DeviceType::DiscreteGpu => "discrete",
        DeviceType::IntegratedGpu => "integrated",
        DeviceType::VirtualGpu => "virtual",
        DeviceType::Cpu => "software",
        DeviceType::Other => "other",
    }
}

/// Lower is preferred.
fn rank(kind: DeviceType) -> u8 {
    match kind {
        DeviceType::DiscreteGpu => 0,
        DeviceType::IntegratedGpu => 1,
        DeviceType::VirtualGpu => 2,
        DeviceType::Other => 3,
        DeviceType::Cpu => 4,
    }
}

pub(super) fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterDescription {
    let info = adapter.get_info();
    AdapterDescription {
        index,
        name: info.name.clone(),
        backend: format!("{:?}", info.backend),
        kind: kind_of(info.device_type),
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        max_binding: adapter.limits().max_storage_buffer_binding_size,
        subgroup: (adapter.features().contains(wgpu::Features::SUBGROUP)
            && info.subgroup_min_size == info.subgroup_max_size)
            .then_some(info.subgroup_min_size),
    }
}

/// Every Vulkan, Metal and DX12 adapter that can run compute shaders, best first.
pub(super) fn enumerate() -> Vec<wgpu::Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters: Vec<_> =
        pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()))
            .into_iter()
            .filter(|a| {
                a.get_downlevel_capabilities()
                    .flags
                    .contains(wgpu::DownlevelFlags::COMPUTE_SHADERS)
            })
            .collect();
    // Stable: adapters of one kind stay in the driver's order, so an index means the same each time.
    adapters.sort_by_key(|a| rank(a.get_info().device_type));
    adapters
}

/// Descriptions of all adapters, best first.
pub fn list_adapters() -> Vec<AdapterDescription> {
    enumerate()
        .iter()
        .enumerate()
        .map(|(index, adapter)| describe(index, adapter))
        .collect()
}

/// The adapter named by `asked` (an index or part of a name, any case), or the best one.
pub(super) fn choose(asked: Option<&str>) -> Result<(wgpu::Adapter, AdapterDescription), GpuError> {
    let adapters = enumerate();
    if adapters.is_empty() {
        return Err(GpuError::NoAdapter);
    }
    let described: Vec<_> = adapters
        .iter()
        .enumerate()
        .map(|(index, adapter)| describe(index, adapter))
        .collect();
    let position = match asked.map(str::trim).filter(|a| !a.is_empty()) {
        None => Some(0),
        Some(text) => match text.parse::<usize>() {
            Ok(index) => (index < adapters.len()).then_some(index),
            Err(_) => {
                let text = text.to_lowercase();
                described.iter().position(|d| {
                    format!("{} {} {} {}", d.name, d.backend, d.kind, d.driver)
                        .to_lowercase()
                        .contains(&text)
                })
            }
        },
    };
    let Some(position) = position else {
        return Err(GpuError::NoSuchAdapter {
            asked: asked.unwrap_or_default().to_owned(),
            available: described
                .iter()
                .map(|d| format!("  {}", d.line()))
                .collect::<Vec<_>>()
                .join("\n"),
        });
    };
    let description = described[position].clone();
    let adapter = adapters
        .into_iter()
        .nth(position)
        .ok_or(GpuError::NoAdapter)?;
    Ok((adapter, description))
}
