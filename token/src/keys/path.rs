//! Where a key stands in a hierarchy: `cluster/application/session`.

use std::fmt;
use std::str::FromStr;

use crate::error::KeyError;

/// Deepest path.
const MAX_DEPTH: usize = 8;
/// Longest segment, in bytes.
const MAX_SEGMENT: usize = 255;

/// A path of one to eight segments, each of 1 to 255 bytes without control characters.
///
/// Written with `/` between the segments; a `/` or `%` inside one is written `%2F` and `%25`. By convention the first
/// segment is the cluster, the second the application, the third the session; what lies deeper is the application's.
///
/// ```
/// use token::KeyPath;
///
/// let path: KeyPath = "eu-1/shop/desk%2F7".parse()?;
/// assert_eq!(path.segments().collect::<Vec<_>>(), ["eu-1", "shop", "desk/7"]);
/// assert!(path.starts_with(&"eu-1/shop".parse()?));
/// assert!(!path.starts_with(&"eu-1/sho".parse()?));
/// # Ok::<(), token::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// A path of one segment.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadPath`] when it cannot be a segment.
    pub fn root(segment: impl Into<String>) -> Result<Self, KeyError> {
        Self(Vec::new()).child(segment)
    }

    /// This path and one more segment.
    ///
    /// # Errors
    ///
    /// [`KeyError::BadPath`] when it cannot be a segment, or the path is as deep as may be.
    pub fn child(&self, segment: impl Into<String>) -> Result<Self, KeyError> {
        let segment = segment.into();
        let fits =
            (1..=MAX_SEGMENT).contains(&segment.len()) && !segment.chars().any(char::is_control);
        if !fits || self.0.len() == MAX_DEPTH {
            return Err(KeyError::BadPath);
        }
        let mut segments = self.0.clone();
        segments.push(segment);
        Ok(Self(segments))
    }

    /// The segments, unescaped.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many segments.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// The session that the path names: its third segment.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0.get(2).map(String::as_str)
    }

    /// Whether this is `prefix` or lies below it.
    #[must_use]
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// What is left below `prefix`.
    pub(super) fn below(&self, prefix: &Self) -> Option<&[String]> {
        self.0.strip_prefix(prefix.0.as_slice())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(&segment.replace('%', "%25").replace('/', "%2F"))?;
        }
        Ok(())
    }
}

impl FromStr for KeyPath {
    type Err = KeyError;

    /// Only what `Display` writes: one path has one text.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut path = Self(Vec::new());
        for segment in text.split('/') {
            let plain = segment.replace("%2F", "/").replace("%25", "%");
            // Any other use of `%` comes out differently and is refused below.
            path = path.child(plain)?;
        }
        if path.to_string() == text {
            Ok(path)
        } else {
            Err(KeyError::BadPath)
        }
    }
}
