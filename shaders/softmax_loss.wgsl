// Per sample b with label t and targets q_c = u.own where c = t, u.other elsewhere:
// loss = ln sum_c e^(l_c - m) + sum_c q_c (m - l_c),  m = max_c l_c;  dl_c = (e^(l_c - m) / sum - q_c) / count.
// hit = 1 when l_t is the first maximum. Slots past the batch's end get 0 everywhere.
// Labels, losses and hits are those of the whole batch, logits and their gradients those of a window of it.
// One invocation owns four samples. Sums run over classes ascending.
#import grid
#import math
#import state
struct LossShape {
    classes: u32,
    columns: u32, // vec4s of samples
    first_column: u32,  // in the batch
    batch_columns: u32, // of the whole batch
    own: f32,     // 1 - s + s / classes with label smoothing s (Szegedy et al. 2016), else 1
    other: f32,   // s / classes, else 0
}
@group(0) @binding(0) var<uniform> u: LossShape;
@group(0) @binding(1) var<storage, read> state: array<State>;
@group(0) @binding(2) var<storage, read> label: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> logits: array<vec4<f32>>; // [R][classes][columns]
@group(0) @binding(4) var<storage, read_write> dlogits: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> loss: array<vec4<f32>>; // [R][batch_columns]
@group(0) @binding(6) var<storage, read_write> hit: array<vec4<u32>>;  // [R][batch_columns]

fn exp_each(v: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(exp_exact(v.x), exp_exact(v.y), exp_exact(v.z), exp_exact(v.w));
}

@compute @workgroup_size(64)
fn softmax_loss(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let column = flat_index(group, groups, 64u, local);
    if column >= u.columns { return; }
    let r = group.z;
    let in_batch = r * u.batch_columns + u.first_column + column;
    let labels = label[in_batch];
    let at = r * u.classes * u.columns + column;
    var top = logits[at];
    for (var c = 1u; c < u.classes; c++) {
        let l = logits[at + c * u.columns];
        top = select(top, l, l > top);
    }
    var sum = vec4<f32>();
    var own = vec4<f32>();
    for (var c = 0u; c < u.classes; c++) {
        let l = logits[at + c * u.columns];
        sum = sum + exp_each(l - top);
        own = select(own, l, labels == vec4<u32>(c));
    }
    let present = labels != vec4<u32>(0xffffffffu);
    let share = 1.0 / f32(state[r].count);
    var right = present;
    // Sum of m - l_c over the other classes.
    var rest = vec4<f32>();
    for (var c = 0u; c < u.classes; c++) {
        let l = logits[at + c * u.columns];
        let is_own = labels == vec4<u32>(c);
        let beaten = (own > l) | ((own == l) & (vec4<u32>(c) >= labels));
        right = right & (beaten | is_own);
        rest = rest + select(top - l, vec4<f32>(), is_own);
        let d = (exp_each(l - top) / sum - select(vec4<f32>(u.other), vec4<f32>(u.own), is_own)) * share;
        dlogits[at + c * u.columns] = select(vec4<f32>(), d, present);
    }
    let ln_sum = vec4<f32>(ln_exact(sum.x), ln_exact(sum.y), ln_exact(sum.z), ln_exact(sum.w));
    var away = top - own;
    // Without smoothing the others do not count, even where they are infinite.
    if u.other > 0.0 { away = fma(vec4<f32>(u.other), rest, u.own * away); }
    loss[in_batch] = select(vec4<f32>(), ln_sum + away, present);
    hit[in_batch] = select(vec4<u32>(), vec4<u32>(1u), right);
}
