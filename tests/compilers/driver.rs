//! RADV without a GPU: which environment makes Mesa's driver for AMD compile for a GPU that is not there.

use super::measure::Report;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that versions of Mesa give to RDNA3: up to 22, and after.
const FAMILIES: [&str; 2] = ["gfx1100", "navi31"];

/// Where Vulkan's loader looks for drivers.
const FOLDERS: [&str; 3] = [
    "/usr/share/vulkan/icd.d",
    "/usr/local/share/vulkan/icd.d",
    "/etc/vulkan/icd.d",
];

/// What RADV makes of all kernels on RDNA3.
///
/// # Errors
/// Why that cannot be known here.
pub fn radv(test: &str) -> Result<Report, String> {
    let file = driver_file().ok_or("no driver file radeon_icd*.json (mesa-vulkan-drivers)")?;
    let mut why = String::new();
    for family in FAMILIES {
        let variables = [
            ("VK_DRIVER_FILES", file.as_os_str()),
            ("VK_ICD_FILENAMES", file.as_os_str()),
            ("RADV_FORCE_FAMILY", family.as_ref()),
            // What it has compiled before it would not describe.
            ("MESA_SHADER_CACHE_DISABLE", "true".as_ref()),
        ];
        match apart(test, |command| {
            command.envs(variables);
        }) {
            Ok(report) => return Ok(report),
            Err(reason) => why = reason,
        }
    }
    Err(format!("RADV has no device for RDNA3: {why}"))
}

fn driver_file() -> Option<PathBuf> {
    let folders = FOLDERS
        .iter()
        .filter_map(|folder| Path::new(folder).read_dir().ok());
    let mut files: Vec<PathBuf> = folders
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.is_some_and(|n| n.starts_with("radeon_icd") && n.ends_with(".json"))
                // 32-bit drivers lie beside the others.
                && !name.is_some_and(|n| n.contains("i686") || n.contains("i386"))
        })
        .collect();
    files.sort();
    files.into_iter().next()
}

/// The file that a process which measures for another writes its answer to.
pub const ANSWER: &str = "SECATEUR_GPU_STATS_ANSWER";

/// Measures in a process of its own, this program's test of that name: drivers read their environment when they are loaded.
///
/// # Errors
/// There is no such device.
///
/// # Panics
/// The compiler refused a kernel or broke down.
pub fn apart(test: &str, environment: impl Fn(&mut Command)) -> Result<Report, String> {
    let answer = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.args(["--exact", test]).env(ANSWER, answer.path());
    environment(&mut command);
    let output = command.output().expect("this program starts again");
    let said = [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned());
    let said = said.concat();
    // RADV aborts at a name that it does not know.
    if let Some(line) = said.lines().find(|line| line.contains("Unknown family")) {
        return Err(line.to_owned());
    }
    let status = output.status;
    assert!(status.success(), "measuring ended with {status}:\n{said}");
    let bytes = std::fs::read(answer.path()).expect("an answer");
    serde_json::from_slice(&bytes).expect("an answer in JSON")
}
