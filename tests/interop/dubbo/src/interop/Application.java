package interop;

import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** What providers and consumers have in common. */
final class Application {
  private Application() {
  }

  /** An application with this name that uses the ZooKeeper at this host:port as its registry, and nothing besides. */
  static DubboBootstrap of(String name, String zookeeper) {
    ApplicationConfig application = new ApplicationConfig(name);
    // Dubbo's console would listen on a port that is the same for all.
    application.setQosEnable(false);
    RegistryConfig registry = new RegistryConfig("zookeeper://" + zookeeper);
    return DubboBootstrap.getInstance().application(application).registry(registry);
  }
}
