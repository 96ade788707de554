package interop;

import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * Calls services again and again until it is killed. Of each call it tells on standard output, in a line after "&gt; ",
 * the number, the service, and either "answered" with the provider's tag and the address and weight that the registry
 * has of it, or "failed" and why.
 *
 * <p>Arguments: the name of the application; host:port of ZooKeeper; the services to call. All else is configuration.
 */
public final class Consumer {
  /** Time between two rounds of calls, in milliseconds. */
  private static final long INTERVAL = 50;

  /** Time that a call may take, in milliseconds: only one that is never answered takes so long, on any machine. */
  private static final int TIMEOUT = 20_000;

  /** Most characters that are told of a failure. */
  private static final int LENGTH = 300;

  private Consumer() {
  }

  public static void main(String[] arguments) throws Exception {
    DubboBootstrap bootstrap = Application.of(arguments[0], arguments[1]);
    Map<String, ReferenceConfig<Echo>> references = new LinkedHashMap<>();
    for (int index = 2; index < arguments.length; index++) {
      Service service = new Service(arguments[index]);
      ReferenceConfig<Echo> reference = reference(service);
      references.put(service.key, reference);
      bootstrap.reference(reference);
    }
    bootstrap.start();
    for (int number = 1; true; number++) {
      for (Map.Entry<String, ReferenceConfig<Echo>> reference : references.entrySet()) {
        String outcome = call(reference.getValue().get(), number);
        System.out.println("> " + number + " " + reference.getKey() + " " + outcome);
      }
      Thread.sleep(INTERVAL);
    }
  }

  private static ReferenceConfig<Echo> reference(Service service) {
    ReferenceConfig<Echo> reference = new ReferenceConfig<>();
    reference.setId(service.key);
    reference.setInterface(service.type);
    reference.setGroup(service.group);
    reference.setVersion(service.version);
    // It may start before its providers, and every failure counts.
    reference.setCheck(false);
    reference.setRetries(0);
    reference.setTimeout(TIMEOUT);
    // A provider that gets no turn is one that is not used.
    reference.setLoadbalance("roundrobin");
    return reference;
  }

  private static String call(Echo echo, int number) {
    try {
      if (echo.add(number, 1) != number + 1) {
        return "failed wrong sum";
      }
      String tag = echo.tag();
      return "answered " + tag + " " + Called.last().getAddress() + " " + Called.last().getParameter("weight", "-");
    } catch (RuntimeException failure) {
      String why = String.valueOf(failure).replaceAll("\\s+", " ");
      return "failed " + why.substring(0, Math.min(why.length(), LENGTH));
    }
  }
}
