//! A Vulkan driver's compiler: what it makes of a kernel, without running it. All of the raw Vulkan stands here.

use ash::{ext, khr, vk};
use secateur::gpu::Access;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};

/// A device that compiles kernels. It lives as long as its process.
pub struct Compiler {
    /// The library that all the rest is in.
    _loader: ash::Entry,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    /// The device's name.
    pub name: String,
    /// The driver's name and version, as `radv Mesa 22.3.6`.
    pub driver: String,
}

/// What the compiler says of one kernel.
pub struct Compiled {
    /// Its numbers, by the driver's own names.
    pub statistics: BTreeMap<String, f64>,
    /// The machine code as text, where the driver can write it.
    pub assembly: Option<String>,
}

impl Compiler {
    /// The first device of the driver that `VK_DRIVER_FILES` names.
    ///
    /// # Errors
    /// No loader, no device, or a driver that says nothing of what it compiles.
    pub fn open() -> Result<Self, String> {
        // SAFETY: the loader's library is the system's own, and calls nothing but drivers.
        let entry = unsafe { ash::Entry::load() }
            .map_err(|e| format!("no Vulkan loader (libvulkan.so.1): {e}"))?;
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
        let create = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: `create` and what it points to live until the call returns; so below for all that is passed.
        let instance = unsafe { entry.create_instance(&create, None) }
            .map_err(|e| format!("the driver makes no instance: {e}"))?;
        // SAFETY: the instance lives.
        let devices = unsafe { instance.enumerate_physical_devices() }
            .map_err(|e| format!("the driver lists no devices: {e}"))?;
        let physical = *devices.first().ok_or("the driver has no device")?;

        let mut driver = vk::PhysicalDeviceDriverProperties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
        // SAFETY: `physical` is one of the instance's own; so below.
        unsafe { instance.get_physical_device_properties2(physical, &mut properties) };
        let name = text(&properties.properties.device_name);
        let driver = format!(
            "{} {}",
            text(&driver.driver_name),
            text(&driver.driver_info)
        );

        // SAFETY: as above.
        let offered = unsafe { instance.enumerate_device_extension_properties(physical) }
            .map_err(|e| format!("{name} lists no extensions: {e}"))?;
        let offers = |wanted: &CStr| {
            let mut names = offered.iter().map(|e| e.extension_name_as_c_str());
            names.any(|name| name == Ok(wanted))
        };
        let needed = khr::pipeline_executable_properties::NAME;
        if !offers(needed) {
            return Err(format!("{name} ({driver}) does not say what it compiles"));
        }
        // What wgpu asks for where it is: reading outside of a buffer is harmless then, and compilers heed it.
        let robustness2 = ext::robustness2::NAME;
        let mut extensions = vec![needed.as_ptr()];
        let mut found2 = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
        let mut found = vk::PhysicalDeviceFeatures2::default();
        if offers(robustness2) {
            extensions.push(robustness2.as_ptr());
            found = found.push_next(&mut found2);
        }
        // SAFETY: as above.
        unsafe { instance.get_physical_device_features2(physical, &mut found) };
        let robust = found.features.robust_buffer_access == vk::TRUE;
        let robust = vk::PhysicalDeviceFeatures::default().robust_buffer_access(robust);
        let mut robust2 = vk::PhysicalDeviceRobustness2FeaturesEXT::default()
            .robust_buffer_access2(found2.robust_buffer_access2 == vk::TRUE);
        let mut told = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut sizes =
            vk::PhysicalDeviceSubgroupSizeControlFeatures::default().subgroup_size_control(true);
        let mut features = vk::PhysicalDeviceFeatures2::default()
            .features(robust)
            .push_next(&mut told)
            .push_next(&mut sizes);
        if offers(robustness2) {
            features = features.push_next(&mut robust2);
        }

        // SAFETY: as above.
        let families = unsafe { instance.get_physical_device_queue_family_properties(physical) };
        let computes =
            |f: &vk::QueueFamilyProperties| f.queue_flags.contains(vk::QueueFlags::COMPUTE);
        let family = families.iter().position(computes);
        let family = family.ok_or_else(|| format!("{name} computes nothing"))?;
        let queue = vk::DeviceQueueCreateInfo::default()
            .queue_family_index(family as u32)
            .queue_priorities(&[1.0]);
        let create = vk::DeviceCreateInfo::default()
            .queue_create_infos(std::slice::from_ref(&queue))
            .enabled_extension_names(&extensions)
            .push_next(&mut features);
        // SAFETY: as above.
        let device = unsafe { instance.create_device(physical, &create, None) }
            .map_err(|e| format!("{name} ({driver}) cannot be opened: {e}"))?;
        let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
        Ok(Self {
            _loader: entry,
            device,
            executables,
            name,
            driver,
        })
    }

    /// Compiles the kernel `name` with the layout that its bindings say.
    ///
    /// # Errors
    /// The driver refuses it.
    pub fn compile(
        &self,
        name: &str,
        spirv: &[u32],
        bindings: &[Access],
    ) -> Result<Compiled, vk::Result> {
        let bindings: Vec<_> = (0..)
            .zip(bindings)
            .map(|(binding, access)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_count(1)
                    .descriptor_type(match access {
                        Access::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                        Access::Read | Access::ReadWrite => vk::DescriptorType::STORAGE_BUFFER,
                    })
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let layout = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let module = vk::ShaderModuleCreateInfo::default().code(spirv);
        let entry = CString::new(name).expect("a name without zeros");
        // SAFETY: the words are what naga wrote of a module that it found valid, the layout has all of its bindings, and what the
        // calls are given lives until they return.
        unsafe {
            let sets = [self.device.create_descriptor_set_layout(&layout, None)?];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&layout, None)?;
            let module = self.device.create_shader_module(&module, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                // As wgpu, where kernels may use subgroups.
                .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(&entry);
            let create = vk::ComputePipelineCreateInfo::default()
                .flags(
                    vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                        | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR,
                )
                .stage(stage)
                .layout(layout);
            let made =
                self.device
                    .create_compute_pipelines(vk::PipelineCache::null(), &[create], None);
            let pipeline = made.map_err(|(_, e)| e)?[0];
            let compiled = self.described(pipeline);
            self.device.destroy_pipeline(pipeline, None);
            self.device.destroy_shader_module(module, None);
            self.device.destroy_pipeline_layout(layout, None);
            self.device.destroy_descriptor_set_layout(sets[0], None);
            compiled
        }
    }

    fn described(&self, pipeline: vk::Pipeline) -> Result<Compiled, vk::Result> {
        // A compute pipeline is one executable.
        let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
        let pipeline = vk::PipelineInfoKHR::default().pipeline(pipeline);
        // SAFETY: the pipeline lives, and was made with what the calls need.
        let (about, numbers) = unsafe {
            (
                self.executables
                    .get_pipeline_executable_properties(&pipeline)?,
                self.executables
                    .get_pipeline_executable_statistics(&executable)?,
            )
        };
        let mut statistics: BTreeMap<String, f64> = numbers
            .iter()
            .map(|s| {
                // SAFETY: the format says which member of the union the driver wrote.
                let value = unsafe {
                    match s.format {
                        vk::PipelineExecutableStatisticFormatKHR::BOOL32 => s.value.b32.into(),
                        vk::PipelineExecutableStatisticFormatKHR::INT64 => s.value.i64 as f64,
                        vk::PipelineExecutableStatisticFormatKHR::UINT64 => s.value.u64 as f64,
                        _ => s.value.f64,
                    }
                };
                (text(&s.name), value)
            })
            .collect();
        if let Some(about) = about.first() {
            statistics.insert("Subgroup size".to_owned(), about.subgroup_size.into());
        }
        Ok(Compiled {
            statistics,
            assembly: self.assembly(&executable)?,
        })
    }

    /// The representation that is called so.
    fn assembly(
        &self,
        executable: &vk::PipelineExecutableInfoKHR<'_>,
    ) -> Result<Option<String>, vk::Result> {
        let call = self
            .executables
            .fp()
            .get_pipeline_executable_internal_representations_khr;
        let device = self.device.handle();
        let mut count = 0;
        // SAFETY: without a place for them the driver counts representations; with places it says how long each is; with memory of
        // that length for each it writes them.
        unsafe {
            call(device, executable, &mut count, std::ptr::null_mut()).result()?;
            let mut all =
                vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            call(device, executable, &mut count, all.as_mut_ptr()).result()?;
            let mut memory: Vec<Vec<u8>> = all.iter().map(|r| vec![0; r.data_size]).collect();
            for (representation, memory) in all.iter_mut().zip(&mut memory) {
                representation.p_data = memory.as_mut_ptr().cast();
            }
            call(device, executable, &mut count, all.as_mut_ptr()).result()?;
            let named = |r: &vk::PipelineExecutableInternalRepresentationKHR<'_>| {
                r.is_text == vk::TRUE && text(&r.name).to_lowercase().contains("assembly")
            };
            let found = all.iter().position(named);
            let words = found.map(|at| String::from_utf8_lossy(&memory[at]).into_owned());
            Ok(words.map(|words| words.trim_end_matches('\0').to_owned()))
        }
    }
}

/// A name that a driver wrote.
fn text(letters: &[c_char]) -> String {
    let bytes: Vec<u8> = letters.iter().map(|&c| c as u8).collect();
    let name = CStr::from_bytes_until_nul(&bytes);
    name.unwrap_or_default().to_string_lossy().into_owned()
}
