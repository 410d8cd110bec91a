//! Scores of units: sums that the GPU makes, and what criteria make of them.

use super::criterion::{SUMS_OVER_BATCHES, ScoreShape};
use super::error::PruneError;
use super::unit_choice::{Scores, living_units, scales};
use crate::gpu::{Buffer, Gpu, Observe, Program};
use crate::model::{LayerAt, LayerInput, Mask, Member, Model, Structure, UnitGroup, readers};
use crate::spec::{UnitCriterion, UnitScope};
use crate::train::{GradientStatistic, Replicas, Trainer, UnitSum, UnitTable};

/// Most floats of distances that are read back at once.
const DISTANCES: u32 = 1 << 22;

impl UnitCriterion {
    /// As [`Criterion::buffers`](crate::spec::Criterion::buffers).
    pub fn buffers(self) -> &'static [&'static str] {
        match self {
            Self::Taylor => SUMS_OVER_BATCHES,
            Self::MeanActivation => &["weights put aside"],
            Self::L1 | Self::L2 | Self::GeometricMedian | Self::BatchNormScale => &[],
            Self::Random => &[],
        }
    }
}

/// Scores of the units of replicas.
pub(super) struct UnitScorer<'a> {
    pub(super) gpu: &'a Gpu,
    pub(super) replicas: &'a Replicas,
    pub(super) structure: &'a Structure,
    /// Those in scope.
    pub(super) groups: &'a [usize],
    pub(super) trainer: Option<Trainer<'a>>,
}

/// The entries whose Σ w g is the derivative of the loss by a factor on the unit's outputs, at 1: the filters and biases of its layers, or
/// where a batch normalisation alone reads a layer, its scale and shift. In front of a normalisation the length of a filter changes nothing, so
/// that Σ w g over it is 0 but for eps.
fn gates(model: &Model, group: &UnitGroup) -> Vec<Member> {
    let normalised = |layer: usize| {
        let source = LayerInput::Layer(layer);
        let is_next = |l: &LayerAt| l.operator.needs_whole_batch() && l.from == source;
        let next = model.layers.iter().position(is_next);
        next.filter(|_| readers(&model.layers, source) == 1)
    };
    let of_layer = |&layer: &usize| {
        let tensors = &model.layers[normalised(layer).unwrap_or(layer)].tensors;
        let members = group.producers.iter().chain(&group.carried);
        members.filter(|m| tensors.contains(&m.tensor) && model.tensors[m.tensor].learned)
    };
    group.layers.iter().flat_map(of_layer).copied().collect()
}

impl UnitScorer<'_> {
    fn group(&self, place: usize) -> &UnitGroup {
        &self.structure.groups[self.groups[place]]
    }

    /// Which units of each group exist.
    pub(super) fn alive(&self, mask: &Mask) -> Vec<Vec<bool>> {
        let groups = 0..self.groups.len();
        let alive = |place| living_units(&self.replicas.model, self.group(place), mask);
        groups.map(alive).collect()
    }

    /// The score of every unit of every replica that exists.
    pub(super) fn scores(
        &self,
        criterion: UnitCriterion,
        scope: UnitScope,
        alive: &[Vec<Vec<bool>>],
        observe: Observe<'_>,
    ) -> Result<Vec<Scores>, PruneError> {
        let model = &self.replicas.model;
        let raw = self.raw(criterion, alive, observe)?;
        let mut all = Vec::new();
        for (replica, (alive, raw)) in alive.iter().zip(raw).enumerate() {
            let mut scores: Scores = Vec::new();
            for (place, (alive, raw)) in alive.iter().zip(raw).enumerate() {
                let filters = self.group(place).producers.iter();
                let weights: usize = filters.map(|m| m.run(model, 0).count()).sum();
                let others = alive.iter().filter(|&&a| a).count().saturating_sub(1);
                let size = weights as f64;
                let unit_of = match (scope, criterion) {
                    (UnitScope::Global, UnitCriterion::L1) => size,
                    (UnitScope::Global, UnitCriterion::L2) => size.sqrt(),
                    (UnitScope::Global, UnitCriterion::GeometricMedian) => {
                        size.sqrt() * others.max(1) as f64
                    }
                    _ => 1.0,
                };
                let score = |(&alive, raw): (&bool, f64)| alive.then_some(raw / unit_of);
                scores.push(alive.iter().zip(raw).map(score).collect());
            }
            let nans = scores.iter().flatten().flatten().filter(|s| s.is_nan());
            let count = nans.count() as u32;
            if count > 0 {
                return Err(PruneError::NotANumber { count, replica });
            }
            all.push(scores);
        }
        Ok(all)
    }

    /// Scores as the criterion has them, `[replica][group][unit]`.
    fn raw(
        &self,
        criterion: UnitCriterion,
        alive: &[Vec<Vec<bool>>],
        observe: Observe<'_>,
    ) -> Result<Vec<Vec<Vec<f64>>>, PruneError> {
        let filters = |group: &UnitGroup| group.producers.clone();
        let params = &self.replicas.params;
        let values = match criterion {
            UnitCriterion::L1 => self.sums(filters, UnitSum::Absolute, params)?,
            UnitCriterion::L2 => self.sums(filters, UnitSum::Squares, params)?,
            UnitCriterion::BatchNormScale => {
                let model = &self.replicas.model;
                let scales = |group: &UnitGroup| scales(model, group).copied().collect();
                self.sums(scales, UnitSum::Absolute, params)?
            }
            UnitCriterion::Taylor => {
                let sums = self.gpu.buffer("sums over batches", params.bytes())?;
                let trainer = self.trainer.as_ref().ok_or(PruneError::NoData)?;
                trainer.accumulate_gradients(GradientStatistic::Gradients, &sums, observe)?;
                let gates = |group: &UnitGroup| gates(&self.replicas.model, group);
                self.sums(gates, UnitSum::Products, &sums)?
            }
            UnitCriterion::MeanActivation => self.activity(observe)?,
            UnitCriterion::Random => self.random()?,
            UnitCriterion::GeometricMedian => return self.distances(alive),
        };
        let score = |value: f64| match criterion {
            UnitCriterion::L2 => value.sqrt(),
            UnitCriterion::Taylor => value.abs(),
            _ => value,
        };
        let apart = |own: &[f64]| {
            let mut rest = own.iter().map(|&v| score(v));
            let units = (0..self.groups.len()).map(|place| self.group(place).units);
            units.map(|n| rest.by_ref().take(n).collect()).collect()
        };
        let units = self.units() as usize;
        Ok(values.chunks_exact(units).map(apart).collect())
    }

    /// Units of all groups in scope.
    fn units(&self) -> u32 {
        let each = (0..self.groups.len()).map(|place| self.group(place).units as u32);
        each.sum()
    }

    fn table(&self, members: impl Fn(&UnitGroup) -> Vec<Member>) -> Result<UnitTable, PruneError> {
        let model = &self.replicas.model;
        let mut units = Vec::new();
        for place in 0..self.groups.len() {
            let group = self.group(place);
            let members = members(group);
            let runs = |unit| members.iter().map(|m| m.run(model, unit)).collect();
            units.extend((0..group.units).map(runs));
        }
        Ok(UnitTable::new(self.gpu, &units)?)
    }

    /// `[replica][unit]`.
    fn sums(
        &self,
        members: impl Fn(&UnitGroup) -> Vec<Member>,
        what: UnitSum,
        a: &Buffer,
    ) -> Result<Vec<f64>, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let count = self.units() as usize * r.count as usize;
        let to = gpu.buffer("sums over units", 4 * count as u64)?;
        let mut program = Program::new("unit sums");
        let table = self.table(members)?;
        table.record_sums(gpu, &mut program, what, r, (a, &to))?;
        gpu.run(&program)?;
        let sums: Vec<f32> = gpu.read(&to, 0, count)?;
        Ok(sums.into_iter().map(f64::from).collect())
    }

    /// Likewise mean activations.
    fn activity(&self, observe: Observe<'_>) -> Result<Vec<f64>, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let mut bases = vec![None; self.structure.groups.len()];
        let mut readers = Vec::new();
        for (place, &g) in self.groups.iter().enumerate() {
            bases[g] = Some(readers.len() as u32);
            let group = self.group(place);
            readers.extend(vec![group.readers.len(); group.units]);
        }
        let count = readers.len() * r.count as usize;
        let to = gpu.buffer_with("activity of units", &vec![0f32; count])?;
        let trainer = self.trainer.as_ref().ok_or(PruneError::NoData)?;
        let stride = readers.len() as u32;
        trainer.gather_activity(self.structure, (&bases, stride), &to, observe)?;
        let batches = trainer.steps() as f64;
        let sums: Vec<f32> = gpu.read(&to, 0, count)?;
        let pairs = sums.iter().zip(readers.iter().cycle());
        Ok(pairs
            .map(|(&sum, &n)| f64::from(sum) / (batches * n as f64))
            .collect())
    }

    /// A random word for each unit: that which random pruning would give the weight of this number in the group's first filters.
    fn random(&self) -> Result<Vec<f64>, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let units = self.units();
        let count = units as usize * r.count as usize;
        let to = gpu.buffer("random scores", 4 * count as u64)?;
        let unordered = gpu.buffer("NaN counts", u64::from(r.count) * 4)?;
        let mut program = Program::new("random units");
        let mut offset = 0;
        for place in 0..self.groups.len() {
            let group = self.group(place);
            let shape = ScoreShape {
                offset,
                count: group.units as u32,
                param_stride: units,
                mask_words: 0,
                tensor: group.producers.first().map_or(0, |m| m.tensor as u32),
                revive: 1,
            };
            let kernel = gpu.kernel("random_score", &[])?;
            let buffers = [&r.keys, &r.masks, &r.params, &to, &unordered];
            let count = group.units as u64;
            program.push(gpu, kernel, &shape, &buffers, count, r.count)?;
            offset += group.units as u32;
        }
        gpu.run(&program)?;
        let words: Vec<u32> = gpu.read(&to, 0, count)?;
        Ok(words.into_iter().map(f64::from).collect())
    }

    /// Sums of distances to the other units that exist, in f64.
    fn distances(&self, alive: &[Vec<Vec<bool>>]) -> Result<Vec<Vec<Vec<f64>>>, PruneError> {
        let (gpu, r) = (self.gpu, self.replicas);
        let table = self.table(|group| group.producers.clone())?;
        let mut all = vec![Vec::new(); alive.len()];
        let mut base = 0;
        for place in 0..self.groups.len() {
            let units = self.group(place).units as u32;
            let rows = (DISTANCES / (units * r.count)).max(1);
            let mut sums = vec![Vec::new(); alive.len()];
            for row in (0..units).step_by(rows as usize) {
                let rows = row..units.min(row + rows);
                let squares = table.distances(gpu, r, (base, units), rows.clone())?;
                let own = squares.chunks_exact(rows.len() * units as usize);
                for ((squares, alive), sums) in own.zip(alive).zip(&mut sums) {
                    let exists = &alive[place];
                    let sum = |row: &[f32]| -> f64 {
                        let others = row.iter().zip(exists).filter(|(_, e)| **e);
                        others.map(|(&d, _)| f64::from(d).sqrt()).sum()
                    };
                    sums.extend(squares.chunks_exact(units as usize).map(sum));
                }
            }
            for (all, sums) in all.iter_mut().zip(sums) {
                all.push(sums);
            }
            base += units;
        }
        Ok(all)
    }
}
