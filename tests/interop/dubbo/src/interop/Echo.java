package interop;

/** What providers offer. */
public interface Echo {
  /** The tag of the provider that answers. */
  String tag();

  /** A call with arguments and an answer that is no text. */
  int add(int left, int right);

  /** The same under a name with a dollar sign in it. */
  interface Nested extends Echo {
  }
}
