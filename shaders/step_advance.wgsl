// Adds the batch's losses and hits to the replica's totals and moves its state on to the next batch.
// One invocation owns one replica. Sum: batch loss starts at 0, b ascending, plain additions; then added to loss_sum.
#import hyper
#import state
struct Advance {
    samples: u32, // per pass
    batch: u32,
    columns: u32, // vec4s of samples
    steps: u32,   // entries of `factors`; 0: evaluation, where nothing is learned
}
@group(0) @binding(0) var<uniform> u: Advance;
@group(0) @binding(1) var<storage, read> hyper: array<Hyper>;
@group(0) @binding(2) var<storage, read> factors: array<f32>; // learning-rate factor of each step, then Adam's bias corrections
@group(0) @binding(3) var<storage, read> loss: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> hit: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> state: array<State>;

@compute @workgroup_size(1)
fn step_advance(@builtin(workgroup_id) group: vec3<u32>) {
    let r = group.z;
    var s = state[r];
    var sum = 0.0;
    var hits = 0u;
    for (var c = 0u; c < u.columns; c++) {
        let l = loss[r * u.columns + c];
        let h = hit[r * u.columns + c];
        sum = sum + l.x;
        sum = sum + l.y;
        sum = sum + l.z;
        sum = sum + l.w;
        hits += h.x + h.y + h.z + h.w;
    }
    // NaN and infinity by exponent bits: x != x is false for NaN on some drivers.
    if (bitcast<u32>(sum) & 0x7f800000u) == 0x7f800000u { s.broken += 1u; }
    s.loss_sum = s.loss_sum + sum;
    s.correct += hits;
    s.seen += s.count;
    s.position += s.count;
    s.step += 1u;
    if s.position >= u.samples {
        s.position = 0u;
        s.epoch += 1u;
    }
    s.count = min(u.batch, u.samples - s.position);
    if u.steps > 0u {
        let h = hyper[r];
        s.lr = h.lr * factors[min(s.step, u.steps - 1u)];
        if h.corrections > 0u {
            let at = h.first_correction + 2u * min(s.step, h.corrections - 1u);
            s.correction1 = factors[at];
            s.correction2 = factors[at + 1u];
        }
    }
    state[r] = s;
}
