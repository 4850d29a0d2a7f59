//! Headless Chromium, driven by the scripts in `browser/`.

use crate::{absent, installed};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Debian's; its wrapper in the path would start a session of its own.
const CHROMIUM: &str = "/usr/lib/chromium/chromium";

/// What is put beside the libraries that npm brings.
const FILES: [(&str, &str); 13] = [
    ("package.json", include_str!("../browser/package.json")),
    ("chromium.mjs", include_str!("../browser/chromium.mjs")),
    ("drive.mjs", include_str!("../browser/drive.mjs")),
    ("page.js", include_str!("../browser/page.js")),
    ("phone.html", include_str!("../browser/phone.html")),
    ("phone.js", include_str!("../browser/phone.js")),
    ("readme.mjs", include_str!("../browser/readme.mjs")),
    ("run.mjs", include_str!("../browser/run.mjs")),
    ("sections.js", include_str!("../browser/sections.js")),
    ("serve.mjs", include_str!("../browser/serve.mjs")),
    ("sound.js", include_str!("../browser/sound.js")),
    ("start.mjs", include_str!("../browser/start.mjs")),
    ("talk.mjs", include_str!("../browser/talk.mjs")),
];

/// Chromium, and a folder with the scripts and JsSIP, SIP.js and what drives it.
#[derive(Debug)]
pub struct Browser {
    chromium: PathBuf,
    place: PathBuf,
}

impl Browser {
    /// Has npm put the libraries into `target`, a folder that outlives the test, unless they are there. None, and said so,
    /// when node, npm or Chromium is not installed; `CHROMIUM` in the environment names another.
    ///
    /// # Panics
    /// When one is absent and `INTEROP_REQUIRED=1` is set, or npm fails.
    pub fn find(target: &Path) -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        if !installed(&["node", "npm"]) {
            return None;
        }
        let chromium = std::env::var_os("CHROMIUM").unwrap_or_else(|| CHROMIUM.into());
        if !Path::new(&chromium).exists() {
            absent("chromium");
            return None;
        }
        let place = target.join("browser");
        let _alone = ALONE.lock();
        std::fs::create_dir_all(&place).expect("a folder below target");
        for (name, text) in FILES {
            std::fs::write(place.join(name), text).expect("its files");
        }
        if !place.join("node_modules/playwright-core").exists() {
            let npm = Command::new("npm")
                .args(["install", "--no-package-lock", "--no-audit", "--no-fund"])
                .current_dir(&place)
                .status();
            assert!(npm.is_ok_and(|status| status.success()), "npm install");
        }
        Some(Self {
            chromium: chromium.into(),
            place,
        })
    }

    /// The folder with the scripts and what npm brought.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// `node SCRIPT ARGUMENTS`, which is ended after so many seconds.
    pub fn command(&self, script: &str, arguments: &[&str], seconds: u32) -> Command {
        let mut command = Command::new("timeout");
        command
            .args([&seconds.to_string(), "node", script])
            .args(arguments)
            .current_dir(&self.place)
            .env("CHROMIUM", &self.chromium);
        command
    }
}
