package interop;

import org.apache.servicecomb.foundation.common.utils.BeanUtils;
import org.apache.servicecomb.provider.springmvc.reference.RestTemplateBuilder;
import org.springframework.web.client.RestTemplate;

/**
 * A microservice that offers a greeting and asks another microservice for its own, again and again, until it is
 * killed. It tells on standard output, one line each, what it is answered whenever that is something new.
 *
 * <p>Argument: the name of the other microservice. All else is configuration.
 */
public final class Peer {
  /** Time between two calls, in milliseconds. */
  private static final long INTERVAL = 200;

  private Peer() {
  }

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 1) {
      throw new IllegalArgumentException("the name of the other microservice is needed");
    }
    BeanUtils.init();
    RestTemplate template = RestTemplateBuilder.create();
    String url = "cse://" + arguments[0] + "/greeting/hello?name=" + System.getProperty("service_description.name");
    String last = "";
    while (true) {
      String answer = call(template, url);
      if (!answer.equals(last)) {
        System.out.println("> " + answer);
        last = answer;
      }
      Thread.sleep(INTERVAL);
    }
  }

  private static String call(RestTemplate template, String url) {
    try {
      return template.getForObject(url, String.class);
    } catch (RuntimeException failure) {
      return "no answer: " + failure;
    }
  }
}
