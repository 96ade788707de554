package interop;

import com.google.common.eventbus.EventBus;
import java.util.HashMap;
import java.util.List;
import java.util.UUID;
import org.apache.servicecomb.http.client.auth.DefaultRequestAuthHeaderProvider;
import org.apache.servicecomb.http.client.common.HttpConfiguration.SSLProperties;
import org.apache.servicecomb.service.center.client.ServiceCenterAddressManager;
import org.apache.servicecomb.service.center.client.ServiceCenterClient;
import org.apache.servicecomb.service.center.client.ServiceCenterWatch;
import org.apache.servicecomb.service.center.client.model.DataCenterInfo;
import org.apache.servicecomb.service.center.client.model.Framework;
import org.apache.servicecomb.service.center.client.model.HealthCheck;
import org.apache.servicecomb.service.center.client.model.HealthCheckMode;
import org.apache.servicecomb.service.center.client.model.Microservice;
import org.apache.servicecomb.service.center.client.model.MicroserviceInstance;
import org.apache.servicecomb.service.center.client.model.MicroserviceInstanceStatus;

/** The client and what it registers, set up as java-chassis does it. */
final class Clients {
  /** The application that every microservice here belongs to. */
  static final String APPLICATION = "interop";

  private static final String TENANT = "default";

  private Clients() {
  }

  static ServiceCenterAddressManager addresses(List<String> gateways, EventBus bus) {
    return new ServiceCenterAddressManager("default", gateways, "", "", bus);
  }

  static ServiceCenterClient client(ServiceCenterAddressManager addresses, EventBus bus) {
    return new ServiceCenterClient(addresses, new SSLProperties(), new DefaultRequestAuthHeaderProvider(), TENANT,
        new HashMap<>(), null).setEventBus(bus);
  }

  static ServiceCenterWatch watch(ServiceCenterAddressManager addresses, EventBus bus) {
    return new ServiceCenterWatch(addresses, new SSLProperties(), new DefaultRequestAuthHeaderProvider(), TENANT,
        new HashMap<>(), bus);
  }

  static Microservice microservice(String name) {
    Framework framework = new Framework();
    framework.setName("interop");
    framework.setVersion("1.0");
    Microservice microservice = new Microservice(name);
    microservice.setAppId(APPLICATION);
    microservice.setVersion("1.2.0");
    microservice.setEnvironment("production");
    microservice.setDescription("a microservice of the tests");
    microservice.setLevel("BACK");
    microservice.setRegisterBy("SDK");
    microservice.setFramework(framework);
    microservice.getProperties().put("team", "blue");
    return microservice;
  }

  /** An instance with an id of its own, as java-chassis makes one for each process. */
  static MicroserviceInstance instance(String endpoint) {
    HealthCheck healthCheck = new HealthCheck();
    healthCheck.setMode(HealthCheckMode.push);
    healthCheck.setInterval(5);
    healthCheck.setTimes(3);
    DataCenterInfo dataCenter = new DataCenterInfo();
    dataCenter.setName("dc");
    dataCenter.setRegion("east");
    dataCenter.setAvailableZone("east-1");
    MicroserviceInstance instance = new MicroserviceInstance();
    instance.setInstanceId(UUID.randomUUID().toString());
    instance.setHostName("interop-host");
    instance.setStatus(MicroserviceInstanceStatus.UP);
    instance.getEndpoints().add(endpoint);
    instance.getProperties().put("weight", "3");
    instance.setHealthCheck(healthCheck);
    instance.setDataCenterInfo(dataCenter);
    return instance;
  }
}
