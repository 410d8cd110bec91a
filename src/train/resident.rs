//! A dataset on the GPU, as bytes.

use super::class_order::class_balanced_order;
use crate::data::{Dataset, Split};
use crate::gpu::{Buffer, Gpu, GpuError};
use crate::spec::Normalise;

/// Consecutive images of a split.
pub struct ImagePart {
    /// Bytes `[sample - first][feature]`, samples padded to whole words.
    pub images: Buffer,
    /// Number of the first sample.
    pub first: u32,
    /// Samples.
    pub count: u32,
}

/// One split on the GPU.
pub struct ResidentSplit {
    /// The images, in as many parts as fit one storage binding each; one, if all do.
    pub parts: Vec<ImagePart>,
    /// Class numbers, one byte each.
    pub labels: Buffer,
    /// Samples.
    pub count: u32,
}

/// A dataset on the GPU.
pub struct ResidentDataset {
    /// Its name.
    pub name: String,
    /// Features per sample.
    pub features: u32,
    /// Words of bytes per sample.
    pub words: u32,
    /// Rows of an image.
    pub height: u32,
    /// Columns of an image.
    pub width: u32,
    /// Training images; validation samples are drawn from them.
    pub train: ResidentSplit,
    /// The class-balanced order of its samples; see [`class_balanced_order`].
    pub class_order: Buffer,
    /// Test images.
    pub test: ResidentSplit,
}

impl ResidentDataset {
    /// Bytes that a dataset takes on the GPU, in one part.
    pub fn planned_bytes(data: &Dataset) -> u64 {
        let image = (data.channels * data.height * data.width).next_multiple_of(4);
        let (train, test) = (data.train.len(), data.test.len());
        ((image + 1) * (train + test) + size_of::<u32>() * train) as u64
    }

    /// Uploads both splits.
    ///
    /// # Errors
    /// One image is larger than one binding, or memory is short; names the dataset.
    pub fn upload(gpu: &Gpu, data: &Dataset) -> Result<Self, GpuError> {
        Self::upload_in_parts(gpu, data, gpu.max_binding())
    }

    /// Uploads both splits, at most `part_bytes` of images in one buffer (but at least one image). What is trained on the
    /// dataset has the same bits whatever the parts.
    ///
    /// # Errors
    /// As [`ResidentDataset::upload`].
    pub fn upload_in_parts(gpu: &Gpu, data: &Dataset, part_bytes: u64) -> Result<Self, GpuError> {
        let features = data.channels * data.height * data.width;
        Ok(Self {
            name: data.name.clone(),
            features: features as u32,
            words: features.div_ceil(4) as u32,
            height: data.height as u32,
            width: data.width as u32,
            class_order: gpu.buffer_with(
                &format!("classes of {}", data.name),
                &class_balanced_order(&data.train.labels),
            )?,
            train: upload_split(
                gpu,
                &data.name,
                "training",
                &data.train,
                features,
                part_bytes,
            )?,
            test: upload_split(gpu, &data.name, "test", &data.test, features, part_bytes)?,
        })
    }
}

fn upload_split(
    gpu: &Gpu,
    name: &str,
    which: &str,
    split: &Split,
    features: usize,
    part_bytes: u64,
) -> Result<ResidentSplit, GpuError> {
    let padded = features.next_multiple_of(4);
    let label = format!("{which} images of {name}");
    let per_part = usize::try_from(part_bytes).unwrap_or(usize::MAX) / padded;
    let mut parts = Vec::new();
    let mut first = 0;
    for images in split.images.chunks(per_part.max(1) * features) {
        let count = (images.len() / features) as u32;
        let images = if padded == features {
            gpu.buffer_with(&label, images)?
        } else {
            let mut bytes = vec![0u8; count as usize * padded];
            for (to, from) in bytes
                .chunks_exact_mut(padded)
                .zip(images.chunks_exact(features))
            {
                to[..features].copy_from_slice(from);
            }
            gpu.buffer_with(&label, &bytes)?
        };
        parts.push(ImagePart {
            images,
            first,
            count,
        });
        first += count;
    }
    let labels = gpu.buffer_with(&format!("{which} labels of {name}"), &split.labels)?;
    Ok(ResidentSplit {
        parts,
        labels,
        count: split.labels.len() as u32,
    })
}

/// (scale, shift) per channel such that x = byte * scale + shift.
pub fn scales(normalise: &Normalise, data: &Dataset) -> Vec<[f32; 2]> {
    let affine = |mean: f64, std: f64| {
        // A constant channel has no spread; leave it as it is.
        let std = if std > 0.0 { std } else { 1.0 };
        [(1.0 / (255.0 * std)) as f32, (-mean / std) as f32]
    };
    match normalise {
        Normalise::None => vec![affine(0.0, 1.0); data.channels],
        Normalise::Measured => {
            let channels = data.statistics.iter();
            channels.map(|c| affine(c.mean, c.std)).collect()
        }
        Normalise::Fixed { mean, std } => (0..data.channels)
            .map(|c| {
                // One number stands for every channel.
                let of = |list: &[f64], default| {
                    list.get(c).or(list.first()).copied().unwrap_or(default)
                };
                affine(of(mean, 0.0), of(std, 1.0))
            })
            .collect(),
    }
}
