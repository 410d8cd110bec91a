// Parameters read four at a time, wherever they begin in a vec4. The kernel binds `params: array<vec4<f32>>`.
const SHIFTED: u32 = 1u; // 0: all begin at a multiple of 4 floats

// The four floats from `at` on, of which `first` is the vec4 that holds the first one, and `next` the one behind it.
fn shifted(first: vec4<f32>, next: vec4<f32>, at: u32) -> vec4<f32> {
    if SHIFTED == 0u { return first; }
    let odd = (at & 1u) != 0u;
    let two = (at & 2u) != 0u;
    let low = select(first, vec4<f32>(first.yzw, next.x), odd);
    let high = select(next.xy, next.yz, odd);
    return select(low, vec4<f32>(low.zw, high), two);
}

// s + w.x x0, then w.y x1, w.z x2, w.w x3.
fn add_quad(s: vec4<f32>, w: vec4<f32>, x0: vec4<f32>, x1: vec4<f32>, x2: vec4<f32>, x3: vec4<f32>) -> vec4<f32> {
    let s0 = fma(vec4<f32>(w.x), x0, s);
    let s1 = fma(vec4<f32>(w.y), x1, s0);
    let s2 = fma(vec4<f32>(w.z), x2, s1);
    return fma(vec4<f32>(w.w), x3, s2);
}

// The bias of an output of the layer, or 0 where it has none; the replica's parameters begin at `base`.
fn bias_of(base: u32, row: u32) -> f32 {
    if u.bias_offset == 0xffffffffu { return 0.0; }
    let place = base + u.bias_offset + row;
    return params[place / 4u][place % 4u];
}
