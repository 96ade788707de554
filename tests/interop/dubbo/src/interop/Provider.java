package interop;

import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/**
 * A plain Dubbo server that offers {@link Echo} until it is killed.
 *
 * <p>Arguments: the name of the application; host:port of ZooKeeper; "registers", or "silent" when somebody else makes
 * it known; the port to listen at; the tag that it answers with; the services that it offers. It says "&gt; serves" on
 * standard output once it can be called.
 */
public final class Provider {
  private Provider() {
  }

  public static void main(String[] arguments) throws Exception {
    boolean registers = arguments[2].equals("registers");
    ProtocolConfig protocol = new ProtocolConfig("dubbo", Integer.parseInt(arguments[3]));
    String tag = arguments[4];
    DubboBootstrap bootstrap = Application.of(arguments[0], arguments[1]).protocol(protocol);
    for (int index = 5; index < arguments.length; index++) {
      bootstrap.service(offer(new Service(arguments[index]), tag, registers));
    }
    bootstrap.start();
    System.out.println("> serves");
    Thread.currentThread().join();
  }

  private static ServiceConfig<Echo> offer(Service service, String tag, boolean registers) {
    ServiceConfig<Echo> offered = new ServiceConfig<>();
    offered.setId(service.key);
    offered.setInterface(service.type);
    offered.setGroup(service.group);
    offered.setVersion(service.version);
    offered.setRegister(registers);
    offered.setRef(new Answers(tag));
    return offered;
  }

  private static final class Answers implements Echo.Nested {
    private final String tag;

    Answers(String tag) {
      this.tag = tag;
    }

    @Override
    public String tag() {
      return tag;
    }

    @Override
    public int add(int left, int right) {
      return left + right;
    }
  }
}
