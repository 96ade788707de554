//! Small disks that fill up: a file system in memory that only its own processes see.
//!
//! It is mounted in a mount namespace of its own, which a sleeping process holds and which goes, with the file system,
//! when the last process in it ends. So nothing is left mounted, however this program ends.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::faults::Trouble;
use crate::support::process::Process;

/// Mounts, says so, and stays.
const HOLD: &str = r#"mount -t tmpfs -o size="$2"m tmpfs "$1" && echo mounted && exec sleep 1000000"#;

/// A mounted disk. Dropping it ends the process that holds it.
pub struct Disk {
    holder: Process,
    directory: PathBuf,
}

impl Disk {
    /// Puts an empty disk of so many megabytes over `directory`, for those who run under [`Disk::command_prefix`] only. What
    /// the directory held is copied onto it.
    ///
    /// # Errors
    /// [`Trouble::Impossible`] where this process may not mount.
    pub fn mount(directory: &Path, megabytes: u32) -> Result<Self, Trouble> {
        let log = directory.with_extension("mount.log");
        let arguments: Vec<OsString> = vec![
            "--mount".into(),
            "--propagation".into(),
            "private".into(),
            "sh".into(),
            "-c".into(),
            HOLD.into(),
            "hold".into(),
            directory.into(),
            megabytes.to_string().into(),
        ];
        let mut holder = Process::spawn("unshare", &arguments, &log);
        while !holder.output().contains("mounted") {
            if holder.exit_code().is_some() {
                return Err(Trouble::Impossible(format!(
                    "no disk can be mounted: {}",
                    holder.output().trim()
                )));
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let disk = Self { holder, directory: directory.to_owned() };
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let copied = std::fs::copy(entry.path(), disk.path().join(entry.file_name()));
            copied.map_err(|error| Trouble::Impossible(format!("{}: {error}", disk.path().display())))?;
        }
        Ok(disk)
    }

    /// What a command has to begin with to see the disk.
    pub fn command_prefix(&self) -> Vec<OsString> {
        let target = format!("--target={}", self.holder.id().as_raw_nonzero());
        vec!["nsenter".into(), target.into(), "--mount".into(), "--".into()]
    }

    /// The disk as this program can reach it.
    fn path(&self) -> PathBuf {
        let inside = self.directory.strip_prefix("/").unwrap_or(&self.directory);
        Path::new(&format!("/proc/{}/root", self.holder.id().as_raw_nonzero())).join(inside)
    }

    /// Writes a file until nothing more fits, and answers its size in bytes.
    ///
    /// # Errors
    /// [`Trouble::Unobserved`] when the disk did not fill up.
    pub fn fill(&self) -> Result<u64, Trouble> {
        let path = self.path().join("filler");
        let wrong = |error: std::io::Error| Trouble::Unobserved(format!("{}: {error}", path.display()));
        let mut file = std::fs::File::options().create(true).append(true).open(&path).map_err(wrong)?;
        let chunk = vec![0; 4096];
        loop {
            match std::io::Write::write(&mut file, &chunk) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => break,
                Ok(0) => break,
                Err(error) => return Err(wrong(error)),
            }
        }
        file.metadata().map(|metadata| metadata.len()).map_err(wrong)
    }

    /// Removes what [`Disk::fill`] wrote.
    pub fn free(&self) {
        let _ = std::fs::remove_file(self.path().join("filler"));
    }
}
