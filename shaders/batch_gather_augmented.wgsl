// x[r][f][b] = byte(index[r][b], warp[r][b], f) * scale[channel] + shift[channel] as in batch_gather, but the byte comes from
// where the warp points: SMOOTH 0, the pixel there; SMOOTH 1, the mean of the four around, first along x, then along y:
// top = p00 + fx (p01 - p00), bottom likewise, top + fy (bottom - top). Outside the image bytes are 0, or the nearest edge's.
// Within the square of side `cutout` about the warp's cut, x is 0: the mean, where bytes are normalised by it.
// One invocation owns four features (as batch_gather) of four samples; parts are as in batch_gather.
#import grid
#import warp
const SMOOTH: u32 = 0u; // 1: between pixels
struct AugmentedGather {
    features: u32, // per sample
    words: u32,    // of bytes per sample
    width: u32,
    height: u32,
    columns: u32,  // vec4s of samples
    first_column: u32,  // in the batch
    batch_columns: u32, // of the whole batch
    first: u32,    // sample of this part
    samples: u32,  // in this part
    edge: u32,     // 1: the nearest edge fills; 0: byte 0 does
    cutout: u32,   // pixels; 0: none
}
@group(0) @binding(0) var<uniform> u: AugmentedGather;
@group(0) @binding(1) var<storage, read> images: array<u32>; // [sample - first][words]
@group(0) @binding(2) var<storage, read> scales: array<vec2<f32>>; // (scale, shift) per channel
@group(0) @binding(3) var<storage, read> index: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> warps: array<Warp>;
@group(0) @binding(5) var<storage, read_write> x: array<vec4<f32>>;

// Channel, row and column of a feature.
struct Place {
    channel: u32,
    row: u32,
    column: u32,
}

// Of the sample with number `local` in this part.
fn byte_at(local: u32, channel: u32, row: i32, column: i32) -> f32 {
    let size = vec2<i32>(i32(u.width), i32(u.height));
    var at = vec2<i32>(column, row);
    if u.edge != 0u { at = clamp(at, vec2<i32>(), size - 1); }
    if any(at < vec2<i32>()) || any(at >= size) { return 0.0; }
    let feature = (channel * u.height + u32(at.y)) * u.width + u32(at.x);
    return f32((images[local * u.words + feature / 4u] >> ((feature & 3u) * 8u)) & 255u);
}

fn value_at(local: u32, warp: Warp, place: Place) -> f32 {
    if local >= u.samples { return 0.0; }
    let centre = 0.5 * vec2<f32>(f32(u.width) - 1.0, f32(u.height) - 1.0);
    let d = vec2<f32>(f32(place.column), f32(place.row)) - vec2<f32>(warp.shift_x, warp.shift_y) - centre;
    let s = vec2<f32>(fma(warp.xx, d.x, fma(warp.xy, d.y, centre.x)), fma(warp.yx, d.x, fma(warp.yy, d.y, centre.y)));
    let corner = floor(s);
    let at = vec2<i32>(corner);
    if SMOOTH == 0u { return byte_at(local, place.channel, at.y, at.x); }
    let part = s - corner;
    let p00 = byte_at(local, place.channel, at.y, at.x);
    let p01 = byte_at(local, place.channel, at.y, at.x + 1);
    let p10 = byte_at(local, place.channel, at.y + 1, at.x);
    let p11 = byte_at(local, place.channel, at.y + 1, at.x + 1);
    let top = fma(part.x, p01 - p00, p00);
    let bottom = fma(part.x, p11 - p10, p10);
    return fma(part.y, bottom - top, top);
}

fn is_cut(warp: Warp, place: Place) -> bool {
    // What lies before the square wraps past its end.
    let left = place.column + u.cutout / 2u - u32(warp.cut_x);
    let above = place.row + u.cutout / 2u - u32(warp.cut_y);
    return left < u.cutout && above < u.cutout;
}

@compute @workgroup_size(64)
fn batch_gather_augmented(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                          @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.words * u.columns { return; }
    let column = flat % u.columns;
    let word = flat / u.columns;
    let slot = group.z * u.batch_columns + u.first_column + column;
    // Samples of other parts, and the 0xffffffff of empty slots, wrap past the end.
    let samples = index[slot] - vec4<u32>(u.first);
    let here = samples < vec4<u32>(u.samples);
    if u.first != 0u && !any(here) { return; }
    let w0 = warps[4u * slot];
    let w1 = warps[4u * slot + 1u];
    let w2 = warps[4u * slot + 2u];
    let w3 = warps[4u * slot + 3u];
    let f0 = word * 4u;
    for (var k = 0u; k < 4u; k++) {
        let f = f0 + k;
        if f >= u.features { break; }
        let line = f / u.width;
        let channel = line / u.height;
        let place = Place(channel, line - channel * u.height, f - line * u.width);
        let value = vec4<f32>(value_at(samples.x, w0, place), value_at(samples.y, w1, place),
                              value_at(samples.z, w2, place), value_at(samples.w, w3, place));
        let affine = scales[channel];
        let scaled = fma(value, vec4<f32>(affine.x), vec4<f32>(affine.y));
        let cut = vec4<bool>(is_cut(w0, place), is_cut(w1, place), is_cut(w2, place), is_cut(w3, place));
        let to = (group.z * u.features + f) * u.columns + column;
        var before = vec4<f32>();
        if u.first != 0u { before = x[to]; }
        x[to] = select(before, select(scaled, vec4<f32>(), cut), here);
    }
}
