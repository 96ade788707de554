package interop;

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.dubbo.common.URL;
import org.apache.dubbo.common.URLStrParser;

/**
 * What Dubbo's own URL class makes of each line of a file, one line of another file for each. Fields are separated by
 * tabs; a backslash escapes what would end a field or a line.
 */
public final class Urls {
    private interface Task {
        String of(String line);
    }

    public static void main(String[] arguments) throws IOException {
        Task task = arguments[0].equals("write") ? Urls::write : Urls::read;
        try (BufferedReader lines = Files.newBufferedReader(Path.of(arguments[1]));
                BufferedWriter out = Files.newBufferedWriter(Path.of(arguments[2]))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                out.write(task.of(line));
                out.write('\n');
            }
        }
    }

    /**
     * Protocol, host, port, path, and keys and values of parameters become the path below the root at which the
     * ZooKeeper registry puts such a provider, as its toUrlPath does.
     */
    private static String write(String line) {
        String[] fields = line.split("\t", -1);
        URL url = new URL(fields[0], fields[1], Integer.parseInt(fields[2]), fields[3]);
        for (int at = 4; at < fields.length; at += 2) {
            // It leaves empty ones out by itself.
            url = url.addParameter(fields[at], fields[at + 1]);
        }
        String category = url.getParameter("category", "providers");
        return URL.encode(url.getServiceInterface()) + "/" + category + "/" + URL.encode(url.toFullString());
    }

    /** The name of a znode, read in both ways that Dubbo has: decoded first, or as it is. */
    private static String read(String name) {
        // Two backslashes stand for one in a field, so no field reads like what stands between the two.
        return join(describe(() -> URL.valueOf(URL.decode(name)))) + "\t\\|\t"
                + join(describe(() -> URLStrParser.parseEncodedStr(name)));
    }

    private static String join(List<String> fields) {
        return fields.stream().map(Urls::escape).collect(Collectors.joining("\t"));
    }

    private interface Reading {
        URL url();
    }

    private static List<String> describe(Reading reading) {
        URL url;
        try {
            url = reading.url();
        } catch (RuntimeException refusal) {
            return Arrays.asList("refused", refusal.getClass().getSimpleName());
        }
        List<String> fields = new ArrayList<>(Arrays.asList(
                "read", text(url.getProtocol()), text(url.getHost()), "" + url.getPort(), text(url.getPath())));
        for (Map.Entry<String, String> parameter : new TreeMap<>(url.getParameters()).entrySet()) {
            // Dubbo does not write one without a name.
            if (!parameter.getKey().isEmpty()) {
                fields.add(parameter.getKey());
                fields.add(text(parameter.getValue()));
            }
        }
        return fields;
    }

    private static String text(String value) {
        return value == null ? "" : value;
    }

    private static String escape(String field) {
        return field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r");
    }
}
