//! The driver's compiled shaders, kept in the user's cache folder where the backend can hand them out (Vulkan).

use crate::base::write_with_folder;
use std::path::PathBuf;

/// wgpu's pipeline cache and the file it lives in. A missing, stale or damaged file is never an error: shaders are compiled.
#[derive(Default)]
pub(super) struct Pipelines(Option<StoredCache>);

struct StoredCache {
    cache: wgpu::PipelineCache,
    file: PathBuf,
    /// What the file held when it was read.
    before: Vec<u8>,
}

impl Pipelines {
    /// The cache of this device in `folder`; none where there is no folder or the backend keeps none.
    pub(super) fn new(
        device: &wgpu::Device,
        adapter: &wgpu::AdapterInfo,
        folder: Option<PathBuf>,
    ) -> Self {
        let key = wgpu::util::pipeline_cache_key(adapter);
        let (Some(folder), Some(key)) = (folder, key) else {
            return Self(None);
        };
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return Self(None);
        }
        let file = folder.join(format!("pipelines-{key}"));
        let before = std::fs::read(&file).unwrap_or_default();
        // SAFETY: the file's name holds wgpu's key of this adapter, and only `drop` below writes it, with what `get_data` gave.
        // wgpu checks its header, and with `fallback` begins afresh where it does not fit.
        let cache = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor {
                label: Some("pipelines"),
                data: (!before.is_empty()).then_some(before.as_slice()),
                fallback: true,
            })
        };
        Self(Some(StoredCache {
            cache,
            file,
            before,
        }))
    }

    pub(super) fn cache(&self) -> Option<wgpu::PipelineCache> {
        self.0.as_ref().map(|kept| kept.cache.clone())
    }
}

impl Drop for Pipelines {
    fn drop(&mut self) {
        let Some(kept) = &self.0 else { return };
        // A cache that cannot be written costs compiling next time, no more.
        if let Some(now) = kept.cache.get_data().filter(|now| *now != kept.before) {
            let _ = write_with_folder(&kept.file, |file| file.write_all(&now));
        }
    }
}
