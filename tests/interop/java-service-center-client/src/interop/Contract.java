package interop;

import com.google.common.eventbus.EventBus;
import java.util.ArrayList;
import java.util.List;
import org.apache.servicecomb.service.center.client.ServiceCenterClient;
import org.apache.servicecomb.service.center.client.model.CreateSchemaRequest;
import org.apache.servicecomb.service.center.client.model.FindMicroserviceInstancesResponse;
import org.apache.servicecomb.service.center.client.model.Framework;
import org.apache.servicecomb.service.center.client.model.HeartbeatsRequest;
import org.apache.servicecomb.service.center.client.model.Microservice;
import org.apache.servicecomb.service.center.client.model.MicroserviceInstance;
import org.apache.servicecomb.service.center.client.model.MicroserviceInstanceStatus;
import org.apache.servicecomb.service.center.client.model.ModifySchemasRequest;
import org.apache.servicecomb.service.center.client.model.RbacTokenRequest;
import org.apache.servicecomb.service.center.client.model.SchemaInfo;

/**
 * Calls every operation of the client once, and checks what it makes of the answers. The client goes round the
 * gateways, one call each.
 *
 * <p>Arguments: the addresses of the gateways.
 */
public final class Contract {
  private static final String ENDPOINT = "rest://127.0.0.1:18080?sslEnabled=false";

  private final ServiceCenterClient client;

  private final Microservice consumer = Clients.microservice("contract-consumer");

  private final Microservice provider = Clients.microservice("contract-provider");

  private Contract(ServiceCenterClient client) {
    this.client = client;
  }

  public static void main(String[] arguments) throws InterruptedException {
    Expect.that(arguments.length > 0, "the addresses of the gateways are given");
    EventBus bus = new EventBus();
    Contract contract = new Contract(Clients.client(Clients.addresses(List.of(arguments), bus), bus));
    try {
      contract.gateway();
      contract.microservices();
      contract.schemas();
      MicroserviceInstance instance = contract.registration();
      contract.discovery(instance);
      contract.heartbeats(instance);
      contract.unregistration(instance);
    } catch (AssertionError | RuntimeException failure) {
      failure.printStackTrace();
      System.exit(1);
    }
    System.out.println("contract kept");
    System.exit(0);
  }

  private void gateway() {
    List<MicroserviceInstance> instances = client.getServiceCenterInstances().getInstances();
    Expect.that(instances == null || instances.isEmpty(), "no addresses are offered in place of the given ones");
    RbacTokenRequest credentials = new RbacTokenRequest();
    credentials.setName("root");
    credentials.setPassword("Secret@1");
    Expect.equal(404, client.queryToken(credentials, "127.0.0.1").getStatusCode(), "accounts are switched off");
  }

  private void microservices() throws InterruptedException {
    Expect.that(client.queryServiceId(provider) == null, "nobody has registered the provider yet");
    for (Microservice microservice : List.of(consumer, provider)) {
      microservice.setServiceId(client.registerMicroservice(microservice).getServiceId());
    }
    String id = provider.getServiceId();
    Expect.equal(id, client.registerMicroservice(provider).getServiceId(), "the id of a second registration");
    Expect.soon("the provider is known", () -> client.queryServiceId(provider) != null);
    Expect.equal(id, client.queryServiceId(provider).getServiceId(), "the id that is found");
    Microservice known = client.getMicroserviceByServiceId(id);
    Expect.equal("contract-provider", known.getServiceName(), "name");
    Expect.equal("production", known.getEnvironment(), "environment");
    Expect.equal(provider.getProperties(), known.getProperties(), "properties");
    Expect.equal("interop", known.getFramework().getName(), "framework");
    Expect.soon("both are listed", () -> client.getMicroserviceList().getServices().stream()
        .filter(listed -> Clients.APPLICATION.equals(listed.getAppId())).count() >= 2);

    provider.getProperties().put("tier", "gold");
    Framework framework = provider.getFramework();
    Expect.that(client.updateMicroserviceProperties(id, provider.getProperties(), framework), "properties change");
    Expect.soon("the new properties are read",
        () -> provider.getProperties().equals(client.getMicroserviceByServiceId(id).getProperties()));
    Expect.refused("400012", "an unknown microservice", () -> client.getMicroserviceByServiceId("unknown"));
  }

  private void schemas() throws InterruptedException {
    String id = provider.getServiceId();
    CreateSchemaRequest request = new CreateSchemaRequest();
    request.setSchema("swagger: '2.0'\ninfo: {title: cart, version: '1'}\n");
    request.setSummary("a1");
    Expect.that(client.registerSchema(id, "cart", request), "a schema is taken");
    Expect.soon("the schema is read",
        () -> request.getSchema().equals(client.getServiceSchemaContext(id, "cart")));
    SchemaInfo changed = new SchemaInfo("cart", "changed", "a2");
    Expect.that(client.updateServiceSchemaContext(id, changed), "a schema is changed");
    Expect.soon("the change is read", () -> "changed".equals(client.getServiceSchemaContext(id, "cart")));

    List<SchemaInfo> two = new ArrayList<>(List.of(changed, new SchemaInfo("stock", "second", "b1")));
    ModifySchemasRequest all = new ModifySchemasRequest();
    all.setSchemas(two);
    Expect.that(client.batchUpdateServiceSchemaContext(id, all), "all schemas are replaced");
    Expect.soon("both schemas are listed with their text", () -> {
      List<SchemaInfo> listed = client.getServiceSchemasList(id, true);
      return listed != null && listed.size() == 2
          && listed.stream().anyMatch(schema -> "second".equals(schema.getSchema()));
    });
    Expect.that(client.getServiceSchemasList(id, false).stream().allMatch(schema -> schema.getSchema() == null),
        "without their text when it is not asked for");
    Expect.soon("the microservice names its schemas",
        () -> client.getMicroserviceByServiceId(id).getSchemas().size() == 2);
  }

  private MicroserviceInstance registration() throws InterruptedException {
    MicroserviceInstance instance = Clients.instance(ENDPOINT);
    String service = provider.getServiceId();
    String id = instance.getInstanceId();
    instance.setServiceId(service);
    Expect.equal(id, client.registerMicroserviceInstance(instance).getInstanceId(), "the id of the instance");
    Expect.equal(id, client.registerMicroserviceInstance(instance).getInstanceId(), "the id of the same again");
    Expect.soon("the instance is listed", () -> {
      List<MicroserviceInstance> listed = client.getMicroserviceInstanceList(service).getInstances();
      return listed != null && listed.size() == 1;
    });
    MicroserviceInstance known = client.getMicroserviceInstance(service, id);
    Expect.equal(instance.getEndpoints(), known.getEndpoints(), "endpoints");
    Expect.equal(instance.getProperties(), known.getProperties(), "properties");
    Expect.equal(MicroserviceInstanceStatus.UP, known.getStatus(), "status");
    Expect.equal("1.2.0", known.getVersion(), "version");
    Expect.equal("east-1", known.getDataCenterInfo().getAvailableZone(), "zone");
    Expect.equal(5, known.getHealthCheck().getInterval(), "interval");
    return instance;
  }

  private FindMicroserviceInstancesResponse find(String revision) {
    return client.findMicroserviceInstance(consumer.getServiceId(), Clients.APPLICATION, "contract-provider", "0+",
        revision);
  }

  private void discovery(MicroserviceInstance instance) throws InterruptedException {
    FindMicroserviceInstancesResponse first = find(null);
    Expect.that(first.isModified(), "who knows no revision gets the instances");
    Expect.equal(1, first.getMicroserviceInstancesResponse().getInstances().size(), "instances found");
    // Twice each: the revision of one gateway must be that of the other.
    for (int round = 0; round < 4; round++) {
      FindMicroserviceInstancesResponse again = find(first.getRevision());
      Expect.that(!again.isModified(), "nothing is new to who holds revision " + first.getRevision()
          + " (but there is " + again.getRevision() + "), on every gateway");
    }
    Expect.refused("400012", "a provider that nobody registered",
        () -> client.findMicroserviceInstance(consumer.getServiceId(), Clients.APPLICATION, "nobody", "0+", ""));
    Expect.refused("400012", "a consumer that nobody registered",
        () -> client.findMicroserviceInstance("unknown", Clients.APPLICATION, "contract-provider", "0+", ""));

    Expect.that(client.updateMicroserviceInstanceStatus(instance.getServiceId(), instance.getInstanceId(),
        MicroserviceInstanceStatus.DOWN), "the status changes");
    Expect.soon("another status is another revision", () -> find(first.getRevision()).isModified());
    MicroserviceInstance down = find("").getMicroserviceInstancesResponse().getInstances().get(0);
    Expect.equal(MicroserviceInstanceStatus.DOWN, down.getStatus(), "status");
  }

  private void heartbeats(MicroserviceInstance instance) {
    String service = instance.getServiceId();
    // Twice each: whichever gateway hears it.
    for (int round = 0; round < 4; round++) {
      Expect.that(client.sendHeartBeat(service, instance.getInstanceId()), "a heartbeat is taken");
    }
    client.sendHeartBeats(new HeartbeatsRequest(service, instance.getInstanceId()));
    Expect.refused("400017", "the heartbeat of nobody", () -> client.sendHeartBeat(service, "nobody"));
  }

  private void unregistration(MicroserviceInstance instance) throws InterruptedException {
    String revision = find("").getRevision();
    client.deleteMicroserviceInstance(instance.getServiceId(), instance.getInstanceId());
    Expect.soon("it is found no more", () -> find(revision).isModified());
    List<MicroserviceInstance> left = find("").getMicroserviceInstancesResponse().getInstances();
    Expect.that(left == null || left.isEmpty(), "no instances are left");
    Expect.refused("400017", "its heartbeat",
        () -> client.sendHeartBeat(instance.getServiceId(), instance.getInstanceId()));
  }
}
