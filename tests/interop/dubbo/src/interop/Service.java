package interop;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Which service is offered or called, written as Dubbo writes it: {@code [group/]interface[:version]}. */
final class Service {
  private static final Pattern KEY = Pattern.compile("(?:([^/:]+)/)?([^/:]+)(?::([^/:]+))?");

  final String key;

  /** Null without one. */
  final String group;

  final Class<?> type;

  /** Null without one. */
  final String version;

  Service(String key) throws ClassNotFoundException {
    Matcher parts = KEY.matcher(key);
    if (!parts.matches()) {
      throw new IllegalArgumentException(key + " is not [group/]interface[:version]");
    }
    this.key = key;
    this.group = parts.group(1);
    this.type = Class.forName(parts.group(2));
    this.version = parts.group(3);
  }
}
