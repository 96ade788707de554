package interop;

import com.google.common.eventbus.EventBus;
import com.google.common.eventbus.Subscribe;
import java.util.List;
import java.util.stream.Collectors;
import org.apache.servicecomb.service.center.client.DiscoveryEvents.InstanceChangedEvent;
import org.apache.servicecomb.service.center.client.RegistrationEvents.HeartBeatEvent;
import org.apache.servicecomb.service.center.client.RegistrationEvents.MicroserviceInstanceRegistrationEvent;
import org.apache.servicecomb.service.center.client.ServiceCenterAddressManager;
import org.apache.servicecomb.service.center.client.ServiceCenterClient;
import org.apache.servicecomb.service.center.client.ServiceCenterDiscovery;
import org.apache.servicecomb.service.center.client.ServiceCenterDiscovery.SubscriptionKey;
import org.apache.servicecomb.service.center.client.ServiceCenterRegistration;
import org.apache.servicecomb.service.center.client.ServiceCenterWatch;
import org.apache.servicecomb.service.center.client.model.Microservice;
import org.apache.servicecomb.service.center.client.model.MicroserviceInstance;
import org.apache.servicecomb.service.center.client.model.SchemaInfo;
import org.apache.servicecomb.service.center.client.model.ServiceCenterConfiguration;

/**
 * An application that registers itself, and follows one provider by watching and by asking. It runs until it is
 * killed, and tells on standard output, one line each, what the client tells it.
 *
 * <p>Arguments: its name, its endpoint, milliseconds between two questions, the provider's name or "-", and the
 * addresses of the gateways.
 */
public final class Application {
  /** Time between two heartbeats, in milliseconds. */
  private static final long HEARTBEAT = 1_000;

  private final EventBus bus = new EventBus();

  private final Microservice microservice;

  private final MicroserviceInstance instance;

  private final ServiceCenterRegistration registration;

  private final ServiceCenterDiscovery discovery;

  private final ServiceCenterWatch watch;

  private final String provider;

  private boolean following;

  private Application(String name, String endpoint, long poll, String provider, List<String> gateways) {
    this.provider = provider;
    microservice = Clients.microservice(name);
    microservice.getSchemas().add("hello");
    instance = Clients.instance(endpoint);
    ServiceCenterAddressManager addresses = Clients.addresses(gateways, bus);
    ServiceCenterClient client = Clients.client(addresses, bus);
    bus.register(this);
    registration = new ServiceCenterRegistration(client, new ServiceCenterConfiguration(), bus)
        .setMicroservice(microservice)
        .setMicroserviceInstance(instance)
        .setHeartBeatInterval(HEARTBEAT)
        .setHeartBeatRequestTimeout(HEARTBEAT)
        .setSchemaInfos(List.of(new SchemaInfo("hello", "swagger: '2.0'", "c1")));
    discovery = new ServiceCenterDiscovery(client, bus).setPollInterval(poll);
    watch = Clients.watch(addresses, bus);
  }

  public static void main(String[] arguments) {
    Expect.that(arguments.length > 4, "name, endpoint, interval, provider and gateways are given");
    List<String> gateways = List.of(arguments).subList(4, arguments.length);
    new Application(arguments[0], arguments[1], Long.parseLong(arguments[2]), arguments[3], gateways)
        .registration.startRegistration();
  }

  @Subscribe
  public void onRegistration(MicroserviceInstanceRegistrationEvent event) {
    if (!event.isSuccess()) {
      tell("registration failed");
      return;
    }
    tell("registered " + instance.getServiceId() + " " + instance.getInstanceId());
    discovery.updateMyselfServiceId(instance.getServiceId());
    if (following || "-".equals(provider)) {
      return;
    }
    following = true;
    SubscriptionKey key = new SubscriptionKey(Clients.APPLICATION, provider);
    discovery.registerIfNotPresent(key);
    List<MicroserviceInstance> found = discovery.getInstanceCache(key);
    tellFound(found == null ? List.of() : found);
    discovery.startDiscovery();
    watch.startWatch("default", instance.getServiceId());
  }

  @Subscribe
  public void onHeartbeat(HeartBeatEvent event) {
    tell(event.isSuccess() ? "heartbeat taken" : "heartbeat failed");
  }

  @Subscribe
  public void onInstances(InstanceChangedEvent event) {
    tellFound(event.getInstances());
  }

  private static void tellFound(List<MicroserviceInstance> instances) {
    String list = instances.stream()
        .map(found -> found.getEndpoints() + " " + found.getStatus() + " of " + found.getServiceName())
        .sorted().collect(Collectors.joining(", "));
    tell("found " + instances.size() + (list.isEmpty() ? "" : ": " + list));
  }

  private static synchronized void tell(String line) {
    System.out.println("> " + line);
  }
}
