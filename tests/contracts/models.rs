//! Networks: published sizes, graphs that mean nothing, gradient slots.

use super::setup::{conv_model, residual_model};
use crate::common::{add, conv, graph, linear, preset_model};
use secateur::model::{Model, presets};
use secateur::spec::{NamedLayer, Shape};
use secateur::train::{Memory, MemoryRequest};

fn weights_per_tensor(model: &Model) -> Vec<(String, usize)> {
    let weights = model.tensors.iter().filter(|t| t.prunable);
    weights.map(|t| (t.layer.clone(), t.count)).collect()
}

#[test]
fn presets_have_the_published_sizes() {
    let lenet = preset_model("lenet-300-100");
    assert_eq!((lenet.parameters(), lenet.prunable()), (266_610, 266_200));
    assert_eq!(lenet.multiply_adds(), 266_200);

    let cnn = preset_model("mnist-cnn");
    assert_eq!((cnn.parameters(), cnn.prunable()), (1_199_882, 1_199_648));
    let sizes: Vec<usize> = weights_per_tensor(&cnn).iter().map(|w| w.1).collect();
    assert_eq!(sizes, [288, 18_432, 1_179_648, 1_280]);
    // 26 x 26 x 288 + 24 x 24 x 18,432 + the two linear layers.
    assert_eq!(cnn.multiply_adds(), 194_688 + 10_616_832 + 1_180_928);

    // (name, parameters that are trained, weights, multiply-adds)
    let sizes = [
        ("lenet-300-100", 266_610, 266_200, 266_200),
        ("lenet-5", 61_706, 61_470, 416_520),
        ("lenet-5-caffe", 431_080, 430_500, 2_293_000),
        ("mlp-1000", 2_386_000, 2_386_000, 2_386_000),
        ("mnist-cnn", 1_199_882, 1_199_648, 11_992_448),
        ("cifar-cnn-17m", 17_192_650, 17_188_544, 56_336_384),
        ("cifar-cnn-768k", 767_936, 767_936, 71_214_336),
        ("conv-2", 4_301_642, 4_300_992, 43_780_608),
        ("conv-4", 2_425_930, 2_425_024, 98_306_560),
        ("conv-6", 2_262_602, 2_261_184, 153_881_088),
        ("vgg-11-bn", 9_231_114, 9_222_848, 152_769_536),
        ("vgg-16-bn", 14_728_266, 14_715_584, 313_201_664),
        // 270,896 and 851,504 weights and these multiply-adds are those of the published networks.
        ("resnet-20", 272_474, 270_896, 40_813_184),
        ("resnet-56", 855_770, 851_504, 125_747_840),
        ("resnet-18", 11_173_962, 11_164_352, 555_422_720),
    ];
    let named: Vec<&str> = sizes.iter().map(|size| size.0).collect();
    assert_eq!(named, presets::names(), "a new preset needs its sizes here");
    for (name, parameters, weights, multiply_adds) in sizes {
        let model = preset_model(name);
        assert_eq!(model.parameters(), parameters, "{name}");
        assert_eq!(model.prunable(), weights, "{name}");
        assert_eq!(model.multiply_adds(), multiply_adds, "{name}");
    }
    // Two numbers for each channel of the 19 convolutions and 2 shortcuts.
    assert_eq!(preset_model("resnet-20").statistics(), 1_568);
}

#[test]
fn graphs_that_mean_nothing_are_refused_by_name() {
    // conv1, conv2, add1, fc1, with changes.
    let refusal = |change: fn(&mut Vec<NamedLayer>), with: &str| {
        let layers = vec![conv(4, 1, 1, 0), conv(4, 1, 1, 0), add(with), linear(10)];
        let mut layers = presets::with_names(layers);
        change(&mut layers);
        let model = Model::new(&graph(layers), Shape::new(1, 5, 5), 10);
        model.err().map(|e| e.to_string())
    };
    assert_eq!(refusal(|_| {}, "conv1"), None);
    let says = |refusal: Option<String>, words: &[&str]| {
        let text = refusal.expect("a refusal");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in {text:?}");
        }
    };
    let unequal = refusal(|_| {}, "input");
    says(unequal, &["add1", "input (1x5x5)", "conv2 (4x5x5)"]);
    says(refusal(|_| {}, "fc1"), &["add1", "fc1", "no earlier layer"]);
    let unread = refusal(|layers| layers[3].from = Some("conv2".to_owned()), "conv1");
    says(unread, &["add1", "no layer reads"]);
}

/// Two slots for the gradients of a sequential model, and one more for each value that waits for its readers.
#[test]
fn gradients_take_as_few_slots_as_are_alive_at_once() {
    let slots = |model: &Model| {
        let memory = Memory::plan(model, &MemoryRequest::of_batch(8));
        let names = memory.buffers.iter().map(|(name, _)| name);
        names
            .filter(|name| name.contains("activation gradients"))
            .count()
    };
    assert_eq!(slots(&preset_model("lenet-5")), 2);
    assert_eq!(slots(&conv_model()), 2);
    assert_eq!(slots(&residual_model()), 3);
}
