// How each sample of a training batch is warped: [xx xy; yx yy] = F K R / s, where F mirrors x, K = [1 -k; 0 1] undoes a shear of
// x by y and R = [cos sin; -sin cos] a turn by t; whole shifts and the middle of the cutout are drawn from all places alike.
// Random words: pcg4d(seed, stream(STREAM_AUGMENT, 0, training), step, sample) gives shift x, shift y, mirror, turn, and stream
// layer 1 gives scale, shear, cut x, cut y: what a sample goes through depends on nothing else.
// One invocation owns one (replica, slot); empty slots get what sample 0xffffffff would.
#import grid
#import math
#import random
#import state
#import warp
struct AugmentDraw {
    slots: u32,    // per replica
    width: u32,
    height: u32,
    shift: u32,    // pixels at most, along each axis
    flip: u32,     // 1: half of the samples are mirrored
    resample: u32,     // 0: neither turned, scaled nor sheared, exactly
    turn: f32,     // at most, in whole turns
    low: f32,      // scale
    high: f32,
    shear: f32,    // at most, x per y
}
@group(0) @binding(0) var<uniform> u: AugmentDraw;
@group(0) @binding(1) var<storage, read> keys: array<vec4<u32>>; // (seed, fresh, train, select) per replica
@group(0) @binding(2) var<storage, read> state: array<State>;
@group(0) @binding(3) var<storage, read> index: array<u32>;
@group(0) @binding(4) var<storage, read_write> warps: array<Warp>;

// 0..n, from the upper half of a word.
fn below(word: u32, n: u32) -> u32 {
    return ((word >> 16u) * n) >> 16u;
}

// low..high.
fn between(word: u32, low: f32, high: f32) -> f32 {
    return fma(f32(word >> 8u) * 5.9604645e-8, high - low, low);
}

@compute @workgroup_size(64)
fn augment_draw(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let b = flat_index(group, groups, 64u, local);
    let r = group.z;
    if b >= u.slots { return; }
    let at = r * u.slots + b;
    let key = keys[r];
    let a = pcg4d(vec4<u32>(key.x, stream(STREAM_AUGMENT, 0u, key.z), state[r].step, index[at]));
    let z = pcg4d(vec4<u32>(key.x, stream(STREAM_AUGMENT, 1u, key.z), state[r].step, index[at]));
    var w: Warp;
    let span = 2u * u.shift + 1u;
    w.shift_x = f32(below(a.x, span)) - f32(u.shift);
    w.shift_y = f32(below(a.y, span)) - f32(u.shift);
    w.cut_x = f32(below(z.z, u.width));
    w.cut_y = f32(below(z.w, u.height));
    w.xx = 1.0;
    w.yy = 1.0;
    if u.resample != 0u {
        let t = between(a.w, -u.turn, u.turn);
        let cosine = cos_turn(abs(t));
        let sine = cos_turn(abs(t - 0.25));
        let k = between(z.y, -u.shear, u.shear);
        let inverse = 1.0 / between(z.x, u.low, u.high);
        w.xx = fma(k, sine, cosine) * inverse;
        w.xy = fma(-k, cosine, sine) * inverse;
        w.yx = -sine * inverse;
        w.yy = cosine * inverse;
    }
    if u.flip != 0u && (a.z >> 31u) != 0u {
        w.xx = -w.xx;
        w.xy = -w.xy;
    }
    warps[at] = w;
}
