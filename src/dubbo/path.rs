//! Where the URL of an entry stands: `<root>/<interface>/providers/<URL>`, the tree that Dubbo consumers know.

use super::check::is_reserved_interface;
use super::decode;
use super::encoding::encode_into;

/// The two folders of an interface that hold addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Who offers the interface.
    Provider,
    /// Who uses it.
    Consumer,
}

impl Side {
    /// Scheme of every URL of a consumer.
    pub const CONSUMER_PROTOCOL: &'static str = "consumer";

    /// Name of the folder.
    pub fn folder_name(self) -> &'static str {
        match self {
            Self::Provider => "providers",
            Self::Consumer => "consumers",
        }
    }
}

/// The folder that holds one side of an interface. `root` is absolute, such as `/dubbo`.
pub fn folder(root: &str, interface: &str, side: Side) -> String {
    let mut path = String::new();
    write_folder(&mut path, root, interface, side);
    path
}

fn write_folder(path: &mut String, root: &str, interface: &str, side: Side) {
    path.push_str(root.trim_end_matches('/'));
    path.push('/');
    encode_into(path, interface);
    path.push('/');
    path.push_str(side.folder_name());
}

/// The znode of one entry, named after the whole, plain `url`.
pub fn znode_path(root: &str, interface: &str, side: Side, url: &str) -> String {
    // A few characters of a URL become three.
    let mut path = String::with_capacity(root.len() + interface.len() + 2 * url.len());
    write_folder(&mut path, root, interface, side);
    path.push('/');
    encode_into(&mut path, url);
    path
}

/// Reads the path of an entry: its side, its interface decoded, and its name as it stands, still encoded. `None` for
/// every other path, those of Dubbo's own folders beside the interfaces among them.
pub fn parse_path<'a>(root: &str, path: &'a str) -> Option<(Side, String, &'a str)> {
    let rest = path.strip_prefix(root.trim_end_matches('/'))?.strip_prefix('/')?;
    let mut segments = rest.split('/');
    let interface = decode(segments.next()?).ok()?;
    let side = match segments.next()? {
        "providers" => Side::Provider,
        "consumers" => Side::Consumer,
        _ => return None,
    };
    let name = segments.next()?;
    let complete = segments.next().is_none() && !name.is_empty() && !interface.is_empty();
    (complete && !is_reserved_interface(&interface)).then_some((side, interface, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stands_under_its_encoded_interface() {
        assert_eq!(
            folder("/dubbo", "demo.Outer$Inner", Side::Consumer),
            "/dubbo/demo.Outer%24Inner/consumers"
        );
        assert_eq!(
            znode_path("/dubbo", "i", Side::Provider, "dubbo://h:1/i?a=1"),
            "/dubbo/i/providers/dubbo%3A%2F%2Fh%3A1%2Fi%3Fa%3D1",
        );
        assert_eq!(folder("/", "i", Side::Provider), "/i/providers");
    }

    #[test]
    fn the_path_of_an_entry_reads_back() {
        for root in ["/dubbo", "/base/dubbo", "/"] {
            let path = znode_path(root, "demo.Outer$Inner", Side::Consumer, "consumer://h/i");
            let (side, interface, name) = parse_path(root, &path).unwrap();
            assert_eq!((side, interface.as_str()), (Side::Consumer, "demo.Outer$Inner"));
            assert_eq!(decode(name).as_deref(), Ok("consumer://h/i"));
        }
    }

    #[test]
    fn every_other_path_is_no_entry() {
        for path in [
            "/dubbo",
            "/dubbo/i",
            "/dubbo/i/providers",
            "/dubbo/i/providers/",
            "/dubbo/i/providers/a/b",
            "/dubbo/i/configurators/a",
            "/dubbo/metadata/providers/a",
            "/dubbo/%zz/providers/a",
            "/dubbo//providers/a",
            "/dubbo2/i/providers/a",
            "/other/i/providers/a",
        ] {
            assert_eq!(parse_path("/dubbo", path), None, "{path}");
        }
    }
}
