//! Which units stay: exact counts, ties to the lower unit, and at least one of each group.
//!
//! On the host: a network has some thousands of units, and their scores were summed on the GPU. The selection of weights ranks
//! millions.

use super::counts::kept_of;
use crate::model::{Mask, Model, Structure, UnitGroup};
use crate::spec::{Amount, UnitAmount, UnitCriterion, UnitPrune, UnitScope};

/// Why units cannot be pruned as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A layer that the model lacks, or whose units must stay.
    #[error(
        "there is no layer {layer:?} with units that can be removed; those there are: {available}. The last layer's outputs are the classes."
    )]
    NoSuchLayer {
        /// The name asked for.
        layer: String,
        /// The names there are.
        available: String,
    },
    /// No layer is left to prune.
    #[error(
        "no layer in scope has units that can be removed: the last layer's outputs are the classes, and keep_dense keeps what it names"
    )]
    NothingInScope,
    /// A criterion that needs what the group lacks.
    #[error(
        "criterion \"batch-norm-scale\" needs batch normalisation, and no batch normalisation follows layer {layer:?}"
    )]
    NoScale {
        /// The layer.
        layer: String,
    },
    /// One count where every layer has its own.
    #[error(
        "keep = {keep} is one total, but scope \"layer\" has a count per layer; use scope \"global\", or a share"
    )]
    TotalPerLayer {
        /// Asked for.
        keep: u64,
    },
    /// Fewer units exist than are to stay.
    #[error(
        "asked to keep {keep} units of {layers}, but only {alive} are left. Amounts are shares of all units, not of those still there."
    )]
    TooFewLeft {
        /// Asked for.
        keep: u64,
        /// Still there.
        alive: u64,
        /// Where.
        layers: String,
    },
}

/// Indices of the groups of a step.
///
/// # Errors
/// An unknown layer, no layer at all, or one that the criterion cannot score.
pub fn unit_groups(
    model: &Model,
    structure: &Structure,
    spec: &UnitPrune,
) -> Result<Vec<usize>, UnitError> {
    let name = |&layer: &usize| model.layers[layer].name.clone();
    let groups = || structure.groups.iter().filter(|g| g.removable);
    let names: Vec<String> = groups().flat_map(|g| g.layers.iter().map(name)).collect();
    let wanted = spec.layers.as_deref().unwrap_or_default();
    if let Some(missing) = wanted.iter().find(|l| !names.contains(l)) {
        return Err(UnitError::NoSuchLayer {
            layer: missing.clone(),
            available: names.join(", "),
        });
    }
    let holds = |group: &UnitGroup, list: &[String]| {
        let mut layers = group.layers.iter().map(name);
        layers.any(|layer| list.contains(&layer))
    };
    let in_scope = |g: &usize| {
        let group = &structure.groups[*g];
        let named = spec.layers.is_none() || holds(group, wanted);
        group.removable && named && !holds(group, &spec.keep_dense)
    };
    let chosen: Vec<usize> = (0..structure.groups.len()).filter(in_scope).collect();
    if chosen.is_empty() {
        return Err(UnitError::NothingInScope);
    }
    if spec.criterion == UnitCriterion::BatchNormScale {
        let bare = chosen
            .iter()
            .map(|&g| &structure.groups[g])
            .find(|group| scales(model, group).next().is_none());
        if let Some(group) = bare {
            return Err(UnitError::NoScale {
                layer: group.layers.first().map(name).unwrap_or_default(),
            });
        }
    }
    if let (UnitScope::Layer, UnitAmount::Count(Amount::Keep(keep))) = (spec.scope, spec.amount) {
        return Err(UnitError::TotalPerLayer { keep });
    }
    Ok(chosen)
}

/// The batch normalisations' scales of a group: what a layer that keeps channels apart calls its weight.
pub(super) fn scales<'a>(
    model: &'a Model,
    group: &'a UnitGroup,
) -> impl Iterator<Item = &'a crate::model::Member> {
    let is_scale = |tensor: usize| {
        let name = &model.tensors[tensor].name;
        name.ends_with(".weight")
    };
    group.carried.iter().filter(move |m| is_scale(m.tensor))
}

/// What messages call groups.
pub(super) fn group_names(model: &Model, structure: &Structure, groups: &[usize]) -> Vec<String> {
    let name = |&g: &usize| {
        let layers = structure.groups[g].layers.iter();
        let names: Vec<&str> = layers.map(|&l| model.layers[l].name.as_str()).collect();
        names.join("+")
    };
    groups.iter().map(name).collect()
}

/// Which units of a group exist: those of which some filter weight does.
pub(super) fn living_units(model: &Model, group: &UnitGroup, mask: &Mask) -> Vec<bool> {
    let exists = |i: usize| mask.keeps(i);
    let lives = |unit| {
        let mut filters = group.producers.iter();
        filters.any(|m| m.run(model, unit).indices().any(exists))
    };
    (0..group.units).map(lives).collect()
}

/// Whether a mask leaves as many units as a step asks for; what scores and rules decide is not judged.
///
/// # Errors
/// As [`unit_groups`], and fewer units exist than are to stay.
pub fn room_for_units(
    model: &Model,
    structure: &Structure,
    spec: &UnitPrune,
    mask: &Mask,
) -> Result<(), UnitError> {
    let groups = unit_groups(model, structure, spec)?;
    if spec.rule.is_some() {
        return Ok(());
    }
    let alike = |&g: &usize| {
        let living = living_units(model, &structure.groups[g], mask);
        living
            .into_iter()
            .map(|lives| lives.then_some(0.0))
            .collect()
    };
    let scores: Scores = groups.iter().map(alike).collect();
    choose_units(&scores, spec, &group_names(model, structure, &groups)).map(|_| ())
}

/// Scores of the units of each group; `None` for a unit that is gone.
pub type Scores = Vec<Vec<Option<f64>>>;

/// Which units stay, `[group][unit]`, by scores of the groups in scope; and, for each group, whether its last unit stays although
/// the amount would have taken it too.
///
/// # Errors
/// Fewer units exist than are to stay; `names` says what a group is called.
pub fn choose_units(
    scores: &Scores,
    spec: &UnitPrune,
    names: &[String],
) -> Result<(Vec<Vec<bool>>, Vec<bool>), UnitError> {
    let mut stay: Vec<Vec<bool>> = scores.iter().map(|own| vec![false; own.len()]).collect();
    let mut saved = vec![false; scores.len()];
    // Units that exist, best first.
    let ranked = |groups: std::ops::Range<usize>| {
        let mut list: Vec<(usize, usize, f64)> = groups
            .flat_map(|g| scores[g].iter().enumerate().map(move |(u, s)| (g, u, *s)))
            .filter_map(|(g, u, s)| Some((g, u, s?)))
            .collect();
        list.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        list
    };
    let sets: Vec<std::ops::Range<usize>> = match spec.scope {
        UnitScope::Global => std::iter::once(0..scores.len()).collect(),
        UnitScope::Layer => (0..scores.len()).map(|g| g..g + 1).collect(),
    };
    for set in sets {
        let list = ranked(set.clone());
        let all: usize = scores[set.clone()].iter().map(Vec::len).sum();
        let alive = list.len() as u64;
        let keep = match spec.amount {
            UnitAmount::Count(amount) => kept_of(amount, all as u64, alive),
            UnitAmount::Threshold(limit) => {
                list.iter().take_while(|(_, _, s)| *s > limit).count() as u64
            }
        };
        if keep > alive {
            return Err(UnitError::TooFewLeft {
                keep,
                alive,
                layers: names[set].join(", "),
            });
        }
        // The best of each group first, then the best of all.
        let mut chosen = 0;
        for g in set {
            if let Some(&(_, u, _)) = list.iter().find(|(of, _, _)| *of == g) {
                stay[g][u] = true;
                chosen += 1;
                let place = list.iter().position(|&(of, unit, _)| (of, unit) == (g, u));
                saved[g] = place.is_some_and(|p| p as u64 >= keep);
            }
        }
        for &(g, u, _) in &list {
            if chosen >= keep {
                break;
            }
            if !stay[g][u] {
                stay[g][u] = true;
                chosen += 1;
            }
        }
    }
    Ok((stay, saved))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(scores: &Scores, scope: UnitScope, amount: UnitAmount) -> (Vec<Vec<u8>>, Vec<bool>) {
        let spec = UnitPrune::new(UnitCriterion::L2, scope, amount);
        let names = vec!["a".to_owned(), "b".to_owned()];
        let (stay, saved) = choose_units(scores, &spec, &names).unwrap();
        let bits = |own: Vec<bool>| own.into_iter().map(u8::from).collect();
        (stay.into_iter().map(bits).collect(), saved)
    }

    fn scores() -> Scores {
        let some = |list: &[f64]| list.iter().map(|&s| Some(s)).collect();
        vec![
            some(&[3.0, 1.0, 2.0, 2.0]),
            some(&[9.0, 9.0, 9.0, 0.5, 9.0]),
        ]
    }

    #[test]
    fn the_lower_unit_wins_a_tie_and_one_of_each_group_stays() {
        let half = UnitAmount::Count(Amount::Density(0.5));
        let (stay, _) = chosen(&scores(), UnitScope::Layer, half);
        // Half of 5 rounds to even.
        assert_eq!(stay, [vec![1, 0, 1, 0], vec![1, 1, 0, 0, 0]]);
        let (stay, saved) = chosen(
            &scores(),
            UnitScope::Global,
            UnitAmount::Count(Amount::Keep(4)),
        );
        // The second group holds the four largest; the first keeps its best all the same.
        assert_eq!(stay, [vec![1, 0, 0, 0], vec![1, 1, 1, 0, 0]]);
        assert_eq!(saved, [true, false]);
        let (stay, saved) = chosen(&scores(), UnitScope::Layer, UnitAmount::Threshold(2.0));
        assert_eq!(stay, [vec![1, 0, 0, 0], vec![1, 1, 1, 0, 1]]);
        assert_eq!(saved, [false, false]);
        let (stay, saved) = chosen(&scores(), UnitScope::Layer, UnitAmount::Threshold(5.0));
        assert_eq!(stay[0], [1, 0, 0, 0]);
        assert_eq!(saved, [true, false]);
    }

    #[test]
    fn units_that_are_gone_do_not_return() {
        let mut scores = scores();
        scores[0][0] = None;
        let three = UnitAmount::Count(Amount::Density(0.75));
        let (stay, _) = chosen(&scores, UnitScope::Layer, three);
        assert_eq!(stay[0], [0, 1, 1, 1]);
        let all = UnitPrune::new(
            UnitCriterion::L2,
            UnitScope::Layer,
            UnitAmount::Count(Amount::Density(1.0)),
        );
        let names = vec!["a".to_owned(), "b".to_owned()];
        let error = choose_units(&scores, &all, &names).unwrap_err();
        let want = UnitError::TooFewLeft {
            keep: 4,
            alive: 3,
            layers: "a".to_owned(),
        };
        assert_eq!(error, want);
    }
}
