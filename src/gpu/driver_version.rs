//! The version of a driver that tells none, so that its update is noticed: stages are computed anew under another driver.

use crate::base::sha256;
use std::path::{Path, PathBuf};

/// Name and version of a driver. Where it gives a name alone, as SwiftShader does, the digest of its library is its version; Metal's
/// driver, which gives nothing, has that of macOS.
pub(super) fn driver_and_version(name: &str, told: &str, backend: wgpu::Backend) -> String {
    let version = match (told, backend) {
        ("", wgpu::Backend::Metal) => macos(),
        ("", _) => library_of(name).map(|digest| format!("library {digest}")),
        (told, _) => Some(told.to_owned()),
    };
    let parts = [Some(name.to_owned()), version];
    let parts: Vec<_> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    parts.join(" ")
}

/// SHA-256, 16 digits, of the loaded library that has the first word of the driver's name in its own.
fn library_of(driver: &str) -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let library = mapped(&maps, driver.split_whitespace().next()?)?;
    let bytes = std::fs::read(library).ok()?;
    Some(sha256(&bytes)[..16].to_owned())
}

/// The first mapped file whose name contains `word`, in any case.
fn mapped(maps: &str, word: &str) -> Option<PathBuf> {
    let word = word.to_lowercase();
    let paths = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| Path::new(&line[at..])));
    let named = |path: &&Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.to_lowercase().contains(&word))
    };
    paths
        .filter(|path| !path.is_dir())
        .find(named)
        .map(Path::to_owned)
}

/// macOS's build, such as `macOS 23F79`.
fn macos() -> Option<String> {
    let list = "/System/Library/CoreServices/SystemVersion.plist";
    build_in(&std::fs::read_to_string(list).ok()?).map(|build| format!("macOS {build}"))
}

fn build_in(list: &str) -> Option<&str> {
    let (_, rest) = list.split_once("<key>ProductBuildVersion</key>")?;
    let (_, rest) = rest.split_once("<string>")?;
    rest.split_once("</string>").map(|(build, _)| build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_told_is_taken() {
        let of = |name, told| driver_and_version(name, told, wgpu::Backend::Vulkan);
        assert_eq!(of("llvmpipe", "Mesa 25.0.7"), "llvmpipe Mesa 25.0.7");
        assert_eq!(
            of("NoLibraryIsCalledThis driver", ""),
            "NoLibraryIsCalledThis driver"
        );
    }

    #[test]
    fn the_drivers_library_is_found_by_name() {
        let maps = "7f00-7f10 r-xp 00000000 08:01 12 /usr/lib/libc.so.6\n\
                    7f20-7f30 rw-p 00000000 00:00 0\n\
                    7f40-7f50 r-xp 00000000 08:01 13 /usr/lib/a folder/libvk_swiftshader.so\n";
        let library = Path::new("/usr/lib/a folder/libvk_swiftshader.so");
        assert_eq!(mapped(maps, "SwiftShader").as_deref(), Some(library));
        assert_eq!(mapped(maps, "dozen"), None);
    }

    #[test]
    fn the_build_of_macos_is_read_from_its_property_list() {
        let list = "<dict>\n<key>ProductBuildVersion</key>\n\t<string>23F79</string>\n<key>X</key><string>1</string></dict>";
        assert_eq!(build_in(list), Some("23F79"));
        assert_eq!(build_in("<dict></dict>"), None);
    }
}
