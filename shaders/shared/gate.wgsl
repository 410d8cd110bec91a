// Stores one vec4 of dX, through the backward pass of the ReLU below where u.gate. Needs the bindings x and dx.
fn put(place: u32, g: vec4<f32>) {
    if u.gate != 0u { dx[place] = gated(g, x[place]); } else { dx[place] = g; }
}
