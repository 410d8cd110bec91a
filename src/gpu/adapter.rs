//! Finding adapters and choosing one.

use super::GpuError;
use super::driver_version::driver_and_version;
use serde::{Deserialize, Serialize};
use std::fmt;
use wgpu::DeviceType;

/// One adapter, as listed by `secateur adapters`.
#[derive(Clone, Debug)]
pub struct AdapterDescription {
    /// Position in the list, for `--adapter INDEX`.
    pub index: usize,
    /// The device's name.
    pub name: String,
    /// `Vulkan`, `Metal` or `Dx12`.
    pub backend: String,
    /// What it is.
    pub kind: AdapterKind,
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

/// What runs shaders, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// A GPU that a virtual machine lends.
    Virtual,
    /// What the driver does not say.
    Other,
    /// The processor.
    Software,
}

impl From<DeviceType> for AdapterKind {
    fn from(kind: DeviceType) -> Self {
        match kind {
            DeviceType::DiscreteGpu => Self::Discrete,
            DeviceType::IntegratedGpu => Self::Integrated,
            DeviceType::VirtualGpu => Self::Virtual,
            DeviceType::Cpu => Self::Software,
            DeviceType::Other => Self::Other,
        }
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Other => "other",
            Self::Software => "software",
        })
    }
}

pub(super) fn describe(index: usize, adapter: &wgpu::Adapter) -> AdapterDescription {
    let info = adapter.get_info();
    AdapterDescription {
        index,
        name: info.name.clone(),
        backend: format!("{:?}", info.backend),
        kind: info.device_type.into(),
        driver: driver_and_version(&info.driver, &info.driver_info, info.backend),
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
    adapters.sort_by_key(|a| AdapterKind::from(a.get_info().device_type));
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

/// Where in the list the adapter named by `asked` is: a number in the list is an index, any other a number in a name
/// (`4090`), and text is part of what describes an adapter, any case. The best one if nothing is asked for.
fn position(asked: Option<&str>, described: &[AdapterDescription]) -> Option<usize> {
    let Some(text) = asked.map(str::trim).filter(|a| !a.is_empty()) else {
        return Some(0);
    };
    match text.parse::<usize>() {
        Ok(index) if index < described.len() => Some(index),
        Ok(_) => described.iter().position(|d| has_number(&d.name, text)),
        Err(_) => {
            let text = text.to_lowercase();
            described.iter().position(|d| {
                format!("{} {} {} {}", d.name, d.backend, d.kind, d.driver)
                    .to_lowercase()
                    .contains(&text)
            })
        }
    }
}

/// Whether a name has this whole number in it. A part of one is not enough: `--adapter 2` on a machine that now has two
/// adapters must be refused, not choose an RTX 2080.
fn has_number(name: &str, number: &str) -> bool {
    name.split(|c: char| !c.is_ascii_digit())
        .any(|digits| digits == number)
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
    let Some(position) = position(asked, &described) else {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<AdapterDescription> {
        let describe = |(index, name): (usize, &&str)| AdapterDescription {
            index,
            name: (*name).to_owned(),
            backend: "Vulkan".to_owned(),
            kind: AdapterKind::Discrete,
            driver: "NVIDIA 550.54".to_owned(),
            max_binding: 1 << 27,
            subgroup: None,
        };
        names.iter().enumerate().map(describe).collect()
    }

    #[test]
    fn a_number_is_an_index_and_beyond_the_list_a_number_in_a_name() {
        let list = named(&["NVIDIA GeForce RTX 2080", "NVIDIA GeForce RTX 4090"]);
        let found = |text| position(Some(text), &list);
        assert_eq!((found("0"), found(" 1 ")), (Some(0), Some(1)));
        assert_eq!((found("2080"), found("4090")), (Some(0), Some(1)));
        assert_eq!(
            position(Some("200"), &named(&["L4", "NVIDIA H200"])),
            Some(1)
        );
        // An index that is gone chooses nothing by chance, neither by a digit of a name nor by a driver's version.
        assert_eq!((found("2"), found("40"), found("550")), (None, None, None));
    }

    #[test]
    fn text_is_part_of_a_description_and_nothing_is_the_best() {
        let list = named(&["NVIDIA GeForce RTX 2080", "NVIDIA GeForce RTX 4090"]);
        let found = |text| position(Some(text), &list);
        assert_eq!((found("rtx 40"), found("geforce")), (Some(1), Some(0)));
        assert_eq!((found("550.54"), found("radeon")), (Some(0), None));
        assert_eq!((position(None, &list), found(" ")), (Some(0), Some(0)));
    }
}
