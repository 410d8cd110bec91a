// Dropout: what the kernels share that apply it. scale = 1 / (1 - p).
// Needs the fields of u that DropoutShape has of the same names, and the bindings keys and state.
#import random
#import state

// Whether the unit of `feature` survives in replica r, for the samples of vec4 `column`: a hash of (seed, layer, training, step,
// unit, sample), so it is the same in both passes. A unit is one feature, or one whole channel of `plane` pixels.
fn survives(r: u32, feature: u32, column: u32) -> vec4<bool> {
    let fate = pcg4d(vec4<u32>(keys[r].x, stream(STREAM_DROPOUT, u.layer, keys[r].z), state[r].step,
                               feature / u.plane * u.batch_columns + u.first_column + column));
    return fate >= vec4<u32>(u.threshold);
}

// v * scale where the unit survives, else 0.
fn dropped(v: vec4<f32>, survives: vec4<bool>) -> vec4<f32> {
    return select(vec4<f32>(), v * u.scale, survives);
}
