// The one annotation of Java's client that openapi-generator's jar, on its class path, does not contain.
package javax.annotation;

public @interface Generated {
  String[] value();

  String date();

  String comments();
}
