package interop;

import org.apache.dubbo.common.URL;
import org.apache.dubbo.common.constants.CommonConstants;
import org.apache.dubbo.common.extension.Activate;
import org.apache.dubbo.rpc.Filter;
import org.apache.dubbo.rpc.Invocation;
import org.apache.dubbo.rpc.Invoker;
import org.apache.dubbo.rpc.Result;

/** Notes for each thread which provider it called last. Dubbo finds it through META-INF. */
@Activate(group = CommonConstants.CONSUMER)
public final class Called implements Filter {
  private static final ThreadLocal<URL> LAST = new ThreadLocal<>();

  /** The provider that this thread called last: its URL in the registry, with what the consumer set besides. */
  static URL last() {
    return LAST.get();
  }

  @Override
  public Result invoke(Invoker<?> invoker, Invocation invocation) {
    LAST.set(invoker.getUrl());
    return invoker.invoke(invocation);
  }
}
