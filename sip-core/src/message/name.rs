use std::fmt;

use crate::text;

/// The name of a header field: one of the names that this crate knows, or any other.
///
/// Known names compare by a small number, whatever their case or compact form was on the wire;
/// other names compare without regard to case (RFC 3261 section 7.3.1).
///
/// ```
/// use sip_core::HeaderName;
/// assert_eq!(HeaderName::from("v"), HeaderName::VIA);
/// assert_eq!(HeaderName::from("cAlL-iD"), HeaderName::CALL_ID);
/// assert_eq!(HeaderName::from("X-Room"), HeaderName::from("x-room"));
/// ```
#[derive(Clone, Copy)]
pub struct HeaderName<'a> {
    id: u8,
    text: &'a [u8],
}

/// A name that this crate does not know.
pub(crate) const EXTENSION: u8 = 0;
/// A line of the header section that is not a header field.
pub(crate) const MALFORMED: u8 = 255;

macro_rules! names {
    ($($const:ident = $id:literal, $name:literal, $compact:expr;)*) => {
        impl HeaderName<'static> {
            $(
                #[doc = concat!("`", $name, "`")]
                pub const $const: HeaderName<'static> = HeaderName { id: $id, text: $name.as_bytes() };
            )*
        }

        /// Canonical spelling and compact form by id; index 0 is unused.
        const NAMES: &[(&str, u8)] = &[("", 0), $(($name, $compact)),*];
    };
}

names! {
    VIA = 1, "Via", b'v';
    FROM = 2, "From", b'f';
    TO = 3, "To", b't';
    CALL_ID = 4, "Call-ID", b'i';
    CSEQ = 5, "CSeq", 0;
    CONTACT = 6, "Contact", b'm';
    MAX_FORWARDS = 7, "Max-Forwards", 0;
    CONTENT_LENGTH = 8, "Content-Length", b'l';
    CONTENT_TYPE = 9, "Content-Type", b'c';
    ROUTE = 10, "Route", 0;
    RECORD_ROUTE = 11, "Record-Route", 0;
    REQUIRE = 12, "Require", 0;
    SUPPORTED = 13, "Supported", b'k';
    EXPIRES = 14, "Expires", 0;
    AUTHORIZATION = 15, "Authorization", 0;
    PROXY_AUTHORIZATION = 16, "Proxy-Authorization", 0;
    WWW_AUTHENTICATE = 17, "WWW-Authenticate", 0;
    PROXY_AUTHENTICATE = 18, "Proxy-Authenticate", 0;
    ALLOW = 19, "Allow", 0;
    EVENT = 20, "Event", b'o';
    SESSION_EXPIRES = 21, "Session-Expires", b'x';
    REFER_TO = 22, "Refer-To", b'r';
    REPLACES = 23, "Replaces", 0;
    PROXY_REQUIRE = 24, "Proxy-Require", 0;
    ACCEPT = 25, "Accept", 0;
    ACCEPT_CONTACT = 26, "Accept-Contact", b'a';
    ACCEPT_ENCODING = 27, "Accept-Encoding", 0;
    ACCEPT_LANGUAGE = 28, "Accept-Language", 0;
    ACCEPT_RESOURCE_PRIORITY = 29, "Accept-Resource-Priority", 0;
    ALERT_INFO = 30, "Alert-Info", 0;
    ALLOW_EVENTS = 31, "Allow-Events", b'u';
    ANSWER_MODE = 32, "Answer-Mode", 0;
    AUTHENTICATION_INFO = 33, "Authentication-Info", 0;
    CALL_INFO = 34, "Call-Info", 0;
    CONTENT_DISPOSITION = 35, "Content-Disposition", 0;
    CONTENT_ENCODING = 36, "Content-Encoding", b'e';
    CONTENT_LANGUAGE = 37, "Content-Language", 0;
    DATE = 38, "Date", 0;
    DIVERSION = 39, "Diversion", 0;
    ERROR_INFO = 40, "Error-Info", 0;
    FEATURE_CAPS = 41, "Feature-Caps", 0;
    FLOW_TIMER = 42, "Flow-Timer", 0;
    GEOLOCATION = 43, "Geolocation", 0;
    GEOLOCATION_ERROR = 44, "Geolocation-Error", 0;
    GEOLOCATION_ROUTING = 45, "Geolocation-Routing", 0;
    HISTORY_INFO = 46, "History-Info", 0;
    IDENTITY = 47, "Identity", b'y';
    IDENTITY_INFO = 48, "Identity-Info", b'n';
    IN_REPLY_TO = 49, "In-Reply-To", 0;
    INFO_PACKAGE = 50, "Info-Package", 0;
    JOIN = 51, "Join", 0;
    MAX_BREADTH = 52, "Max-Breadth", 0;
    MIME_VERSION = 53, "MIME-Version", 0;
    MIN_EXPIRES = 54, "Min-Expires", 0;
    MIN_SE = 55, "Min-SE", 0;
    ORGANIZATION = 56, "Organization", 0;
    P_ACCESS_NETWORK_INFO = 57, "P-Access-Network-Info", 0;
    P_ASSERTED_IDENTITY = 58, "P-Asserted-Identity", 0;
    P_ASSOCIATED_URI = 59, "P-Associated-URI", 0;
    P_CALLED_PARTY_ID = 60, "P-Called-Party-ID", 0;
    P_CHARGING_VECTOR = 61, "P-Charging-Vector", 0;
    P_EARLY_MEDIA = 62, "P-Early-Media", 0;
    P_PREFERRED_IDENTITY = 63, "P-Preferred-Identity", 0;
    PATH = 64, "Path", 0;
    PERMISSION_MISSING = 65, "Permission-Missing", 0;
    POLICY_CONTACT = 66, "Policy-Contact", 0;
    PRIORITY = 67, "Priority", 0;
    PRIVACY = 68, "Privacy", 0;
    RACK = 69, "RAck", 0;
    REASON = 70, "Reason", 0;
    RECV_INFO = 71, "Recv-Info", 0;
    REFER_SUB = 72, "Refer-Sub", 0;
    REFERRED_BY = 73, "Referred-By", b'b';
    REJECT_CONTACT = 74, "Reject-Contact", b'j';
    REMOTE_PARTY_ID = 75, "Remote-Party-ID", 0;
    REPLY_TO = 76, "Reply-To", 0;
    REQUEST_DISPOSITION = 77, "Request-Disposition", b'd';
    RESOURCE_PRIORITY = 78, "Resource-Priority", 0;
    RETRY_AFTER = 79, "Retry-After", 0;
    RSEQ = 80, "RSeq", 0;
    SECURITY_CLIENT = 81, "Security-Client", 0;
    SECURITY_SERVER = 82, "Security-Server", 0;
    SECURITY_VERIFY = 83, "Security-Verify", 0;
    SERVER = 84, "Server", 0;
    SERVICE_ROUTE = 85, "Service-Route", 0;
    SESSION_ID = 86, "Session-ID", 0;
    SIP_ETAG = 87, "SIP-ETag", 0;
    SIP_IF_MATCH = 88, "SIP-If-Match", 0;
    SUBJECT = 89, "Subject", b's';
    SUBSCRIPTION_STATE = 90, "Subscription-State", 0;
    SUPPRESS_IF_MATCH = 91, "Suppress-If-Match", 0;
    TARGET_DIALOG = 92, "Target-Dialog", 0;
    TIMESTAMP = 93, "Timestamp", 0;
    TRIGGER_CONSENT = 94, "Trigger-Consent", 0;
    UNSUPPORTED = 95, "Unsupported", 0;
    USER_AGENT = 96, "User-Agent", 0;
    USER_TO_USER = 97, "User-to-User", 0;
    WARNING = 98, "Warning", 0;
}

const SLOTS: usize = 1024;

/// The first and the last eight bytes of a name, little-endian: all of it up to sixteen bytes. A
/// shorter name stands in both with zeros behind it.
#[inline(always)]
const fn words(name: &[u8]) -> (u64, u64) {
    let n = name.len();
    if let (Some(first), Some(last)) = (name.first_chunk(), name.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    let mut word = 0;
    let mut i = 0;
    while i < n {
        word |= (name[i] as u64) << (8 * i);
        i += 1;
    }
    (word, word)
}

/// Collision-free over the known names and compact forms, whatever their case; the factor was found
/// by search, and building the table fails at compile time should a new name collide.
#[inline(always)]
const fn slot(first: u64, last: u64, len: usize) -> usize {
    const LOWER: u64 = 0x2020_2020_2020_2020;
    let mixed = ((first | LOWER) ^ (last | LOWER).rotate_left(21)).wrapping_add(len as u64);
    (mixed.wrapping_mul(0x4365_a5da_a0fd_a499) >> 54) as usize
}

static TABLE: [u8; SLOTS] = table();

/// The words and the length of each canonical spelling, by id; as long as ids go, so that no id needs a check.
static USUAL: [(u64, u64, usize); 256] = usual_spellings();

const fn usual_spellings() -> [(u64, u64, usize); 256] {
    // No name is as long.
    let mut all = [(0, 0, usize::MAX); 256];
    let mut id = 1;
    while id < NAMES.len() {
        let name = NAMES[id].0.as_bytes();
        let (first, last) = words(name);
        all[id] = (first, last, name.len());
        id += 1;
    }
    all
}

const fn table() -> [u8; SLOTS] {
    let mut table = [0; SLOTS];
    let mut id = 1;
    while id < NAMES.len() {
        let (name, compact) = NAMES[id];
        let (first, last) = words(name.as_bytes());
        let at = slot(first, last, name.len());
        assert!(
            table[at] == 0,
            "two header names share a slot: choose another factor"
        );
        table[at] = id as u8;
        if compact != 0 {
            let at = slot(compact as u64, compact as u64, 1);
            assert!(
                table[at] == 0,
                "two header names share a slot: choose another factor"
            );
            table[at] = id as u8;
        }
        id += 1;
    }
    table
}

/// Id of the name, or [`EXTENSION`].
#[inline]
pub(crate) fn lookup(name: &[u8]) -> u8 {
    let (first, last) = words(name);
    lookup_words(name, first, last)
}

/// The same for a caller who has the words at hand.
#[inline]
fn lookup_words(name: &[u8], first: u64, last: u64) -> u8 {
    let id = TABLE[slot(first, last, name.len())];
    // As most senders spell it: the words say it all.
    if USUAL[id as usize] == (first, last, name.len()) && name.len() <= 16 {
        return id;
    }
    let (canonical, compact) = NAMES[id as usize];
    let matches = if name.len() == 1 {
        name[0] | 0x20 == compact
    } else {
        name.eq_ignore_ascii_case(canonical.as_bytes())
    };
    if matches && id != EXTENSION {
        id
    } else {
        EXTENSION
    }
}

/// The length and the id of a known name of at most fifteen bytes that stands in front of a colon in its usual
/// spelling; `None` says nothing.
#[inline(always)]
pub(crate) fn usual(bytes: &[u8; 16]) -> Option<(usize, u8)> {
    let all = u128::from_le_bytes(*bytes);
    let (first, second) = (all as u64, (all >> 64) as u64);
    let (len, first, last) = match (first_colon(first), first_colon(second)) {
        (Some(len), _) => {
            let word = first & ((1 << (8 * len)) - 1);
            (len, word, word)
        }
        (None, Some(len)) => (8 + len, first, (all >> (8 * len)) as u64),
        (None, None) => return None,
    };
    let id = TABLE[slot(first, last, len)];
    (USUAL[id as usize] == (first, last, len)).then_some((len, id))
}

/// Finds the colon of a header line, and the id of the name in front of it, in as few steps as the
/// name has words. `bytes` may go on behind the line.
///
/// Returns the colon's place, the name's length without white space in front of the colon, and the
/// id; `None` without a colon in the line's first `len` bytes.
#[inline(always)]
pub(crate) fn scan(bytes: &[u8], len: usize) -> Option<(usize, usize, u8)> {
    let colon = colon(bytes, len)?;
    let mut name_len = colon;
    while name_len > 0 && matches!(bytes[name_len - 1], b' ' | b'\t') {
        name_len -= 1;
    }
    let name = &bytes[..name_len];
    let id = match (bytes.first_chunk(), name.last_chunk()) {
        (Some(first), Some(last)) => {
            lookup_words(name, u64::from_le_bytes(*first), u64::from_le_bytes(*last))
        }
        (Some(first), None) => {
            let word = u64::from_le_bytes(*first) & ((1 << (8 * name_len)) - 1);
            lookup_words(name, word, word)
        }
        (None, _) => lookup(name),
    };
    Some((colon, name_len, id))
}

/// Which byte of the word, counted from its low end, is the first colon.
#[inline(always)]
fn first_colon(word: u64) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let differs = word ^ (LOW * b':' as u64);
    let zeros = differs.wrapping_sub(LOW) & !differs & HIGH;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

#[inline(always)]
fn colon(bytes: &[u8], len: usize) -> Option<usize> {
    let mut at = 0;
    // Two words reach beyond most names.
    while at < 24 {
        let Some(chunk) = bytes.get(at..).and_then(|b| b.first_chunk()) else {
            break;
        };
        if let Some(i) = first_colon(u64::from_le_bytes(*chunk)) {
            return (at + i < len).then_some(at + i);
        }
        at += 8;
    }
    memchr::memchr(b':', bytes.get(at..len)?).map(|i| at + i)
}

impl<'a> HeaderName<'a> {
    /// The name with these bytes; known names are recognised in any case and in compact form.
    pub fn from_bytes(text: &'a [u8]) -> Self {
        let id = lookup(text);
        if id == EXTENSION {
            HeaderName { id, text }
        } else {
            Self::known(id)
        }
    }

    /// The name of a header of your own, for [`crate::TypedHeader::NAME`].
    ///
    /// ```
    /// use sip_core::HeaderName;
    /// const ROOM: HeaderName<'static> = HeaderName::from_static("X-Room");
    /// assert_eq!(ROOM, HeaderName::from("x-room"));
    /// ```
    pub const fn from_static(text: &'static str) -> HeaderName<'static> {
        let mut id = 1;
        while id < NAMES.len() {
            if NAMES[id].0.eq_ignore_ascii_case(text) {
                return HeaderName {
                    id: id as u8,
                    text: NAMES[id].0.as_bytes(),
                };
            }
            id += 1;
        }
        HeaderName {
            id: EXTENSION,
            text: text.as_bytes(),
        }
    }

    #[inline]
    pub(crate) fn known(id: u8) -> HeaderName<'static> {
        HeaderName {
            id,
            text: NAMES[id as usize].0.as_bytes(),
        }
    }

    #[inline]
    pub(crate) const fn id(&self) -> u8 {
        self.id
    }

    /// The same name for an error, which outlives the message.
    pub(crate) fn to_static(self) -> Option<HeaderName<'static>> {
        (self.id != EXTENSION).then(|| Self::known(self.id))
    }

    /// The canonical spelling of a known name, the given bytes of another.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.text
    }

    /// The compact form (`v` for Via), where one is registered.
    pub fn compact(&self) -> Option<char> {
        match NAMES[self.id as usize].1 {
            0 => None,
            letter => Some(letter as char),
        }
    }

    /// Whether this crate knows the name.
    pub const fn is_known(&self) -> bool {
        self.id != EXTENSION
    }

    /// Whether the bytes are a `token`, as a header name must be.
    pub fn is_valid(&self) -> bool {
        text::is_token(self.text)
    }
}

impl PartialEq<HeaderName<'_>> for HeaderName<'_> {
    fn eq(&self, other: &HeaderName<'_>) -> bool {
        self.id == other.id && (self.id != EXTENSION || self.text.eq_ignore_ascii_case(other.text))
    }
}

impl Eq for HeaderName<'_> {}

impl<'a> From<&'a str> for HeaderName<'a> {
    fn from(text: &'a str) -> Self {
        Self::from_bytes(text.as_bytes())
    }
}

impl<'a> From<&'a String> for HeaderName<'a> {
    fn from(text: &'a String) -> Self {
        Self::from_bytes(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for HeaderName<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self::from_bytes(text)
    }
}

impl fmt::Display for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::lossy(self.text))
    }
}

impl fmt::Debug for HeaderName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
