//! The words that other programs and papers use for the keys and words of an experiment.

use crate::config::Synonym;

const fn synonym(
    said: &'static [&'static str],
    here: &'static str,
    help: &'static str,
    like: &'static str,
) -> Synonym {
    Synonym {
        said,
        here,
        help,
        like,
    }
}

/// All of them; of two with the same word, the first that may stand there counts.
pub(crate) const SYNONYMS: &[Synonym] = &[
    // [train] and train steps.
    synonym(
        &["epochs", "numepochs", "nepochs", "maxepochs", "epoch"],
        "length",
        "write length = \"%ep\"",
        "5",
    ),
    synonym(
        &[
            "steps",
            "numsteps",
            "maxsteps",
            "trainsteps",
            "iterations",
            "iters",
            "updates",
        ],
        "length",
        "write length = \"%st\"",
        "1000",
    ),
    synonym(
        &["lr", "learningrate", "rate", "eta"],
        "optimizer",
        "write optimizer = { kind = \"sgd\", lr = % }",
        "0.1",
    ),
    synonym(
        &["learningrate", "rate", "eta"],
        "lr",
        "write lr = %",
        "0.1",
    ),
    synonym(
        &["momentum"],
        "optimizer",
        "write optimizer = { kind = \"sgd\", lr = 0.1, momentum = % }",
        "0.9",
    ),
    synonym(
        &["weightdecay", "wd", "l2"],
        "optimizer",
        "write optimizer = { kind = \"sgd\", lr = 0.1, weight_decay = % }",
        "0.0001",
    ),
    synonym(
        &["wd", "l2"],
        "weight_decay",
        "write weight_decay = %",
        "0.0001",
    ),
    synonym(
        &["batchsize", "minibatch", "minibatchsize", "bs"],
        "batch",
        "write batch = %",
        "64",
    ),
    synonym(
        &["scheduler", "lrscheduler", "lrschedule", "lrdecay"],
        "schedule",
        "write schedule = { kind = \"cosine\" }",
        "",
    ),
    synonym(
        &["multistep", "multisteplr", "piecewise"],
        "milestones",
        "write kind = \"milestones\", with the moments: at = [\"80ep\", \"120ep\"], factor = 0.1",
        "",
    ),
    synonym(&["earlystopping"], "patience", "write patience = %", "5"),
    synonym(
        &[
            "clip",
            "clipgrad",
            "clipgradnorm",
            "gradclip",
            "gradientclip",
            "gradientclipping",
            "maxgradnorm",
            "maxnorm",
        ],
        "clip_norm",
        "write clip_norm = %",
        "1.0",
    ),
    synonym(
        &[
            "val",
            "valsplit",
            "valsize",
            "validationsplit",
            "validationsize",
            "holdout",
        ],
        "validation",
        "write validation = %, a number of training samples",
        "5000",
    ),
    // Steps.
    synonym(
        &["finetune", "retrain", "fit"],
        "train",
        "write the step { train = {} }: after a prune step it trains on under the mask",
        "",
    ),
    synonym(
        &["reset", "original", "initial", "initialise", "initialize"],
        "init",
        "write restart = \"init\": back to the weights as they were drawn",
        "",
    ),
    synonym(
        &[
            "random",
            "reinit",
            "reinitialise",
            "reinitialize",
            "scratch",
        ],
        "fresh",
        "write restart = \"fresh\": weights are drawn anew",
        "",
    ),
    // Prune steps.
    synonym(
        &[
            "amount",
            "ratio",
            "fraction",
            "rate",
            "pruneratio",
            "pruningratio",
            "prunerate",
            "pruningrate",
        ],
        "sparsity",
        "write sparsity = %, the share that goes",
        "0.9",
    ),
    synonym(
        &["keepratio", "keptratio"],
        "density",
        "write density = %, the share that stays",
        "0.1",
    ),
    synonym(
        &["exclude", "excluded", "ignore", "skip"],
        "keep_dense",
        "write keep_dense = [\"fc1\"], with the names of the layers",
        "",
    ),
    synonym(
        &["method", "score", "metric", "importance"],
        "criterion",
        "write criterion = %",
        "\"magnitude\"",
    ),
    synonym(
        &["l1", "l2", "l1norm", "l2norm", "norm"],
        "magnitude",
        "write criterion = \"magnitude\", the |w| of each weight; \"l1\" and \"l2\" score whole units, beside structure = \"units\"",
        "",
    ),
    synonym(
        &[
            "abs",
            "absolute",
            "absweight",
            "mag",
            "weight",
            "weights",
            "weightmagnitude",
            "magnitudes",
        ],
        "magnitude",
        "write criterion = \"magnitude\": |w|",
        "",
    ),
    synonym(
        &[
            "magnitude",
            "abs",
            "absolute",
            "mag",
            "weight",
            "weights",
            "norm",
            "l1norm",
            "l2norm",
        ],
        "l1",
        "write criterion = \"l1\", the sum of |w| over the filters of a unit, or \"l2\", their norm",
        "",
    ),
    synonym(
        &["bn", "bnscale", "gamma", "slimming", "networkslimming"],
        "batch-norm-scale",
        "write criterion = \"batch-norm-scale\"",
        "",
    ),
    synonym(
        &["fpgm", "gm"],
        "geometric-median",
        "write criterion = \"geometric-median\"",
        "",
    ),
    synonym(
        &["local", "layerwise", "perlayer", "layers"],
        "layer",
        "write scope = \"layer\"",
        "",
    ),
    synonym(
        &[
            "channel",
            "channels",
            "filter",
            "filters",
            "neuron",
            "neurons",
            "structured",
        ],
        "units",
        "write structure = \"units\": whole neurons, filters and channels",
        "",
    ),
    synonym(
        &["unstructured"],
        "weights",
        "write structure = \"weights\"",
        "",
    ),
    // [model].
    synonym(
        &["he", "kaiming", "msra"],
        "kaiming-normal",
        "write init = \"kaiming-normal\", or \"kaiming-uniform\" (He et al. 2015)",
        "",
    ),
    synonym(
        &["henormal", "kaimingnormal"],
        "kaiming-normal",
        "write init = \"kaiming-normal\" (He et al. 2015)",
        "",
    ),
    synonym(
        &["heuniform", "kaiminguniform"],
        "kaiming-uniform",
        "write init = \"kaiming-uniform\" (He et al. 2015)",
        "",
    ),
    synonym(
        &["xavier", "glorot"],
        "glorot-normal",
        "write init = \"glorot-normal\", or \"glorot-uniform\" (Glorot and Bengio 2010)",
        "",
    ),
    synonym(
        &["xaviernormal", "glorotnormal"],
        "glorot-normal",
        "write init = \"glorot-normal\" (Glorot and Bengio 2010)",
        "",
    ),
    synonym(
        &["xavieruniform", "glorotuniform"],
        "glorot-uniform",
        "write init = \"glorot-uniform\" (Glorot and Bengio 2010)",
        "",
    ),
    synonym(&["default"], "pytorch", "write init = \"pytorch\"", ""),
    // Layers.
    synonym(
        &["dense", "fc", "fullyconnected"],
        "linear",
        "write { linear = % }",
        "300",
    ),
    synonym(
        &["conv", "convolution", "convolution2d"],
        "conv2d",
        "write { conv2d = %, kernel = 3 }",
        "32",
    ),
    synonym(
        &[
            "bn",
            "batchnorm",
            "batchnorm1d",
            "batchnorm2d",
            "batchnormalisation",
            "batchnormalization",
        ],
        "batch_norm",
        "write \"batch_norm\"",
        "",
    ),
    synonym(
        &["maxpool", "maxpool2d", "maxpooling"],
        "max_pool",
        "write { max_pool = % }",
        "2",
    ),
    synonym(
        &[
            "avgpool",
            "avgpool2d",
            "averagepool",
            "averagepooling",
            "meanpool",
        ],
        "avg_pool",
        "write { avg_pool = % }",
        "2",
    ),
    synonym(
        &[
            "gap",
            "globalavgpool",
            "globalaveragepool",
            "globalaveragepooling",
            "adaptiveavgpool2d",
        ],
        "avg_pool",
        "write { avg_pool = \"global\" }",
        "",
    ),
    synonym(
        &["dropout1d", "dropout2d"],
        "dropout",
        "write { dropout = % }: it takes single values, not whole channels",
        "0.5",
    ),
    synonym(
        &["residual", "shortcut", "skip"],
        "add",
        "write { add = \"conv1\" }, with the name of the layer whose output is added",
        "",
    ),
    synonym(
        &["softmax", "logsoftmax"],
        "linear",
        "leave it out: the loss takes the softmax of the last layer's outputs",
        "",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_plain_and_values_have_their_place() {
        for of in SYNONYMS {
            for word in of.said {
                let plain = word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
                assert!(plain, "{word}");
                assert_ne!(*word, of.here);
            }
            assert_eq!(of.help.contains('%'), !of.like.is_empty(), "{}", of.help);
        }
    }
}
