//! Units: what of a model can be removed whole, from the graph alone.

use crate::common::{add, bare, conv, graph, linear, named, preset_model};
use secateur::model::{Model, Structure};
use secateur::spec::{Layer, Shape};

/// A group in words: units, then the places as tensor, dim and span.
fn words(model: &Model, structure: &Structure, group: usize) -> (usize, String) {
    let g = &structure.groups[group];
    let list = |members: &[secateur::model::Member]| {
        let each = members.iter().map(|m| {
            let name = &model.tensors[m.tensor].name;
            let times = if m.span == 1 {
                String::new()
            } else {
                format!("*{}", m.span)
            };
            format!("{name}{times}")
        });
        each.collect::<Vec<_>>().join(" ")
    };
    let text = format!(
        "{} | {} | {}",
        list(&g.producers),
        list(&g.carried),
        list(&g.readers)
    );
    (g.units, text)
}

fn removable(structure: &Structure) -> Vec<usize> {
    let all = 0..structure.groups.len();
    all.filter(|&g| structure.groups[g].removable).collect()
}

/// What is true of every model: each weight is a row of one unit and a column of another, each bias carried by one.
fn check_cover(model: &Model, structure: &Structure) {
    let mut rows = vec![0; model.floats];
    let mut columns = vec![0; model.floats];
    for group in &structure.groups {
        for unit in 0..group.units {
            for m in &group.producers {
                m.run(model, unit).indices().for_each(|i| rows[i] += 1);
            }
            for m in &group.readers {
                m.run(model, unit).indices().for_each(|i| columns[i] += 1);
            }
            for m in &group.carried {
                m.run(model, unit).indices().for_each(|i| rows[i] += 1);
            }
        }
    }
    for tensor in &model.tensors {
        for i in tensor.offset..tensor.offset + tensor.count {
            let once = (rows[i], columns[i]);
            assert_eq!(
                once,
                (1, usize::from(tensor.prunable)),
                "{} {i}",
                tensor.name
            );
        }
    }
    let covered: usize = rows.iter().sum();
    let all: usize = model.tensors.iter().map(|t| t.count).sum();
    assert_eq!(covered, all);
}

#[test]
fn neurons_of_lenet_are_rows_and_columns() {
    let model = preset_model("lenet-300-100");
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    assert_eq!(removable(&structure), [1, 2]);
    assert_eq!(
        words(&model, &structure, 1),
        (300, "fc1.weight | fc1.bias | fc2.weight".into())
    );
    assert_eq!(
        words(&model, &structure, 2),
        (100, "fc2.weight | fc2.bias | fc3.weight".into())
    );
    // The image has one channel of 784 pixels, which fc1 reads as columns.
    assert_eq!(
        words(&model, &structure, 0),
        (1, " |  | fc1.weight*784".into())
    );
    assert_eq!(words(&model, &structure, 3).0, 10);
    assert!(!structure.groups[0].removable && !structure.groups[3].removable);
    // Unit 7 of fc1: a row of 784, and one weight in each of fc2's 100 rows.
    let group = &structure.groups[1];
    assert_eq!(group.weights(&model, 7).count(), 784 + 100);
    let column = group.readers[0].run(&model, 7);
    let first = model.tensors[2].offset + 7;
    let want: Vec<usize> = (0..100).map(|o| first + 300 * o).collect();
    assert_eq!(column.indices().collect::<Vec<_>>(), want);
}

#[test]
fn a_flattened_channel_is_as_many_columns_as_it_has_pixels() {
    let model = preset_model("mnist-cnn");
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    let groups: Vec<_> = removable(&structure)
        .into_iter()
        .map(|g| words(&model, &structure, g))
        .collect();
    assert_eq!(
        groups,
        [
            (32, "conv1.weight | conv1.bias | conv2.weight".to_owned()),
            (64, "conv2.weight | conv2.bias | fc1.weight*144".to_owned()),
            (128, "fc1.weight | fc1.bias | fc2.weight".to_owned()),
        ]
    );
}

#[test]
fn batch_normalisation_goes_with_its_channel() {
    let model = preset_model("vgg-11-bn");
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    let groups = removable(&structure);
    let units: Vec<usize> = groups.iter().map(|&g| structure.groups[g].units).collect();
    assert_eq!(units, [64, 128, 256, 256, 512, 512, 512, 512]);
    let (_, first) = words(&model, &structure, groups[0]);
    let carried = "features.0.bias features.1.weight features.1.bias features.1.running_mean features.1.running_var";
    assert_eq!(
        first,
        format!("features.0.weight | {carried} | features.4.weight")
    );
    let (_, last) = words(&model, &structure, groups[7]);
    assert!(last.ends_with("| classifier.weight"), "{last}");
}

/// Every block adds to its stage, so a stage is one group; what lies between the two convolutions of a block is its own.
#[test]
fn residual_stages_are_tied_and_blocks_are_free_inside() {
    let model = preset_model("resnet-20");
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    let groups = removable(&structure);
    let found: Vec<(usize, Vec<&str>)> = groups
        .iter()
        .map(|&g| {
            let group = &structure.groups[g];
            let names = group.layers.iter().map(|&l| model.layers[l].name.as_str());
            (group.units, names.collect())
        })
        .collect();
    let stages: Vec<_> = found
        .iter()
        .filter(|(_, layers)| layers.len() > 1)
        .collect();
    let own = |stage: usize| [0, 1, 2].map(|block| format!("layer{stage}.{block}.conv2"));
    assert_eq!(stages.len(), 3);
    for (stage, (units, layers)) in (1..).zip(stages) {
        let first = if stage == 1 {
            "conv1".to_owned()
        } else {
            format!("layer{stage}.0.downsample.0")
        };
        let mut names = layers.clone();
        names.sort_unstable();
        let mut want: Vec<String> = own(stage).to_vec();
        want.push(first);
        want.sort();
        assert_eq!(
            (*units, names),
            (8 << stage, want.iter().map(String::as_str).collect())
        );
    }
    // Nine blocks of one group each.
    assert_eq!(
        found.iter().filter(|(_, layers)| layers.len() == 1).count(),
        9
    );
    // The first stage is read by its three blocks, and by the first of the next stage on both of its paths.
    let (_, text) = words(&model, &structure, groups[0]);
    let readers = text.rsplit(" | ").next().unwrap();
    let want = "layer1.0.conv1.weight layer1.1.conv1.weight layer1.2.conv1.weight layer2.0.conv1.weight layer2.0.downsample.0.weight";
    assert_eq!(readers, want);
}

/// A flattened image of 3 channels and 4 pixels added to 12 neurons: four neurons go with each channel. And what is added to the
/// input, or to the output, stays.
#[test]
fn additions_tie_what_they_add() {
    let conv = bare(conv(3, 1, 1, 0));
    let model = Model::new(
        &graph(vec![
            named("conv", None, conv.clone()),
            named("flat", None, Layer::Flatten),
            named("wide", None, linear(12)),
            named("sum", None, add("flat")),
            named("out", None, linear(5)),
        ]),
        Shape::new(1, 2, 2),
        5,
    )
    .unwrap();
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    assert_eq!(removable(&structure), [1]);
    assert_eq!(
        words(&model, &structure, 1),
        (
            3,
            "conv.weight wide.weight*4 | wide.bias*4 | wide.weight*4 out.weight*4".into()
        )
    );

    let model = Model::new(
        &graph(vec![
            named("conv", None, conv),
            named("sum", None, add("input")),
            named("out", None, linear(5)),
            named("again", None, linear(5)),
            named("end", None, add("out")),
        ]),
        Shape::new(3, 2, 2),
        5,
    )
    .unwrap();
    let structure = Structure::of(&model);
    check_cover(&model, &structure);
    assert!(removable(&structure).is_empty());
}
