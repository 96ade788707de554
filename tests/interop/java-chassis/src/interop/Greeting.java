package interop;

import org.apache.servicecomb.provider.rest.common.RestSchema;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;

/** What a peer offers to the other. */
@RestSchema(schemaId = "greeting")
@RequestMapping(path = "/greeting")
public class Greeting {
  /** Greets who calls. */
  @GetMapping(path = "/hello")
  public String hello(@RequestParam(name = "name") String name) {
    return "hello " + name + " from " + System.getProperty("servicecomb.rest.address");
  }
}
