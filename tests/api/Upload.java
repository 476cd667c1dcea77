import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;

/** Sends a slide as a Java program would: the JDK's own client with its defaults. Prints status and body. */
public class Upload {
    public static void main(String[] arguments) throws Exception {
        URI address = URI.create(arguments[0] + "/analyze");
        Path slide = Path.of(arguments[1]);
        boolean isLengthKnown = arguments[2].equals("length");
        String boundary = "slide-by-java";
        String start = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"case_id\"\r\n\r\n" + arguments[3]
            + "\r\n--" + boundary + "\r\nContent-Disposition: form-data; name=\"sha256\"\r\n\r\n" + arguments[4]
            + "\r\n--" + boundary + "\r\nContent-Disposition: form-data; name=\"slide\"; filename=\"slide.svs\"\r\n\r\n";
        BodyPublisher whole = BodyPublishers.concat(
            BodyPublishers.ofString(start),
            BodyPublishers.ofFile(slide),
            BodyPublishers.ofString("\r\n--" + boundary + "--\r\n"));
        BodyPublisher body = isLengthKnown ? whole : BodyPublishers.fromPublisher(whole);
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < 2; number++) { // the second on the connection of the first
            var request = HttpRequest.newBuilder(address)
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .POST(body)
                .build();
            var answer = client.send(request, BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
