package interop;

import java.util.function.BooleanSupplier;

/** What a program expects of the gateway; a disappointment ends it. */
final class Expect {
  /** How long something may take that happens without further doing, in milliseconds. */
  private static final long PATIENCE = 10_000;

  /** Time between two looks, in milliseconds. */
  private static final long INTERVAL = 50;

  private Expect() {
  }

  /** Something that must be so now. */
  static void that(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError("not so: " + what);
    }
  }

  /** Two values that must be equal. */
  static void equal(Object expected, Object found, String what) {
    if (!expected.equals(found)) {
      throw new AssertionError(what + ": expected " + expected + ", found " + found);
    }
  }

  /** Something that must be so soon: another replica may be a moment behind. */
  static void soon(String what, BooleanSupplier condition) throws InterruptedException {
    long deadline = System.nanoTime() + PATIENCE * 1_000_000;
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("not so within " + PATIENCE + " ms: " + what);
      }
      Thread.sleep(INTERVAL);
    }
  }

  /** Something that must be refused with this error code. */
  static void refused(String code, String what, Runnable call) {
    try {
      call.run();
    } catch (RuntimeException refusal) {
      that(String.valueOf(refusal.getMessage()).contains("\"errorCode\":\"" + code + "\""),
          what + " is refused with " + code + ": " + refusal);
      return;
    }
    throw new AssertionError(what + " was not refused");
  }
}
